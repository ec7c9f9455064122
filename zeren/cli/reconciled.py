"""The answer of `zeren audit reconcile`, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from zeren.cli.output import print_table
from zeren.verify.reconcile import EVENTS, PLACES, Report


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found.

    Attributes:
        settled: nothing up to the look was under way any more.
        heads: by service, the highest position compared.
        size, root_agrees, unreadable: see `LeafHashes`.
        unclaimed: leaves that are no service's fact, and the first; None where not every service was compared.
    """

    settled: bool
    heads: Mapping[str, int]
    reports: Sequence[Report]
    size: int
    root_agrees: bool
    unreadable: Sequence[tuple[int, int]]
    unclaimed: tuple[int, int] | None

    @property
    def same(self) -> bool:
        """The three hold the same."""
        whole = self.root_agrees and not self.unreadable and not (self.unclaimed and self.unclaimed[0])
        return whole and not any(report.kinds for report in self.reports)


def as_answer(found: Compared) -> dict[str, Any]:
    """The answer for programs."""
    services = [
        {
            "service": service,
            "head": head,
            "partitions": [_partition(one) for one in found.reports if one.service == service],
        }
        for service, head in found.heads.items()
    ]
    unclaimed, first = found.unclaimed or (None, None)
    ledger = {
        "size": found.size,
        "root_agrees": found.root_agrees,
        "unreadable": [{"first": first_index, "width": width} for first_index, width in found.unreadable],
        "unclaimed": unclaimed,
        "first_unclaimed": first if unclaimed else None,
    }
    return {"same": found.same, "settled": found.settled, "services": services, "ledger": ledger}


def _partition(report: Report) -> dict[str, Any]:
    firsts = [
        {"kind": one.kind, "position": one.position, "zh": one.zh, "en": one.en, "line": str(one)}
        for one in report.differences
    ]
    counts = {place: report.counts[place] for place in PLACES}
    return {
        "partition": report.partition,
        **counts,
        "repeats": report.repeats,
        "differences": dict(report.kinds),
        "first": firsts[0] if firsts else None,
        "first_of_each_kind": firsts,
    }


def show_compared(found: Compared) -> None:
    """The answer for people."""
    columns = ("服务 / service", ">分区 / partition", ">事件表 / events", ">Kafka", ">账本 / ledger",
               ">重复 / repeats", ">差异 / differences")  # fmt: skip
    rows = [
        (one.service, one.partition, *(one.counts[place] for place in PLACES), one.repeats, one.kinds.total())
        for one in found.reports
        if one.counts or one.kinds
    ]
    print_table("", columns, rows)
    for line in lines(found):
        click.echo(line)


def lines(found: Compared) -> list[str]:
    """Each difference's first place, then the verdict."""
    told = [f"{one}{_more(report.kinds[one.kind])}" for report in found.reports for one in report.differences]
    if not found.root_agrees:
        told.append(
            "账本条目算出的根与已签名的检查点不符：运行 zeren ledger verify 指出是哪一条 / "
            "the ledger's entries don't give the signed root: zeren ledger verify names the entry"
        )
    told += [
        f"账本序号 {first} 起 {width} 条的记录包读不全 / the bundle of {width} from index {first} isn't whole"
        for first, width in found.unreadable
    ]
    if found.unclaimed and found.unclaimed[0]:
        count, index = found.unclaimed
        told.append(
            f"账本有 {count} 条不属于任何服务的事实，第一条序号 {index} / "
            f"{count} leaves are no service's fact, the first at index {index}"
        )
    if not found.settled:
        told.append("等待逾时，仍有事实在途 / the time to wait is over, facts are still under way")
    count = sum(report.counts[EVENTS] for report in found.reports)
    same = f"对账一致：{count} 个事实在事件表、Kafka、账本中相同 / reconciled: {count} facts are the same in all three"
    return [*told, same if found.same else "对账有差异，见上 / the three differ, see above"]


def _more(count: int) -> str:
    return "" if count == 1 else f"（共 {count} 处 / {count} in all）"
