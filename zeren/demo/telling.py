"""The ending as people read it."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from shared.contracts.codes.catalogue import CATALOGUE
from shared.money import yuan
from zeren.demo.observed import COUNTS

Row = dict[str, Any]
LOG_WIDTH = 160
ROLES = {
    "USED": "使用 / used",
    "ATTESTED": "证明 / attested",
    "CLAIMED": "申领 / claimed",
    "CHECKED": "审核 / checked",
    "APPROVED": "审批 / approved",
    "PAID": "拨付 / paid",
    "REFUSED": "不予通过 / refused",
}


class Teller:
    """Prints tables to standard output, as wide as the terminal."""

    def __init__(self) -> None:
        self._console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH, highlight=False)

    def line(self, text: str = "") -> None:
        """One line, never folded."""
        self._console.print(text, soft_wrap=True, markup=False)

    def _table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A column named >… is aligned to the right. Folded in a narrow terminal, never cut: marks must show."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in columns:
            justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
            table.add_column(column.removeprefix(">"), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*map(str, row))
        self.line()
        self._console.print(table)

    def regions(self, progress: Row) -> None:
        """Every region against its target."""
        columns = (
            "地区 / region",
            ">目标 / target",
            ">报名 / enrolled",
            ">结业 / completed",
            ">取证 / certified",
            ">申领 / claimed",
            ">支付 / paid",
            ">金额（元） / yuan",
        )
        rows = [(f"{row['zh']} {row['en']}", *_figures(row)) for row in progress["regions"]]
        rows.append(("合计 / total", *_figures(progress["total"])))
        marks = " ".join(progress["marks"])
        title = f"各地区目标与进度 / regions {progress['year']}（{progress['source']}）{marks}"
        self._table(title, columns, rows)

    def refusals(self, families: dict[str, dict[str, int]]) -> None:
        """Every reason with its text and count."""
        counts: Counter[str] = Counter()
        for family in families.values():
            counts.update(family)
        rows = [
            (code, CATALOGUE[code].zh if code in CATALOGUE else "", count)
            for code, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        ]
        self._table("拒绝与隔离的原因 / refusals by reason", ("代码 / code", "原因", ">次数 / count"), rows)

    def replay(self, told: Row) -> None:
        """One claim: its facts, and the rules that decided its amount."""
        claim = told["claim"]
        self.line()
        self.line(
            f"重放申领 / replay of claim {claim['claim_id']}: {claim['state']}, {yuan(claim['paid_fen'])} "
            f"({told['total']} 个事实 / facts)"
        )
        columns = (
            "业务日期 / date",
            "事实 / fact",
            "职责 / duty",
            ">个数 / facts",
            "账本序号 / ledger indexes",
        )
        self._table("事实 / facts", columns, _grouped(told["facts"]))
        rules = (
            "决定 / decision",
            "规则 / rule",
            "依据 / source",
            "条文 / citation",
            "结果 / result",
            ">金额",
            "标记 / marks",
        )
        steps = ((trace, step) for trace in told["traces"] for step in trace["steps"])
        self._table("政策依据 / policy", rules, (_rule(trace, step) for trace, step in steps))

    def responsibility(self, told: Row) -> None:
        """Who answers for the claim."""
        rows = []
        for link in told["links"]:
            actor = link["actor"]
            name = actor.get("name") or f"{actor['kind']}:{actor['id']}"
            place = f"{actor.get('post', '')} {actor.get('organisation', '')}".strip()
            dates = sorted({str(link["first_on"]), str(link["last_on"])})
            rows.append((ROLES.get(link["role"], link["role"]), link["duty"], name, place, " – ".join(dates)))
        columns = ("责任 / role", "职责 / duty", "谁 / who", "岗位与单位 / post", "日期 / dates")
        self._table("责任链：谁使用、谁负责 / responsibility", columns, rows)

    def next_steps(self, claim_id: str, state: str, *, serving: bool) -> None:
        """Commands to try while it serves, or once it has been started again."""
        self.line()
        self.line("接下来可以试 / what to try next:")
        for command in (
            *(() if serving else ("zeren up",)),
            f"zeren audit replay {claim_id}",
            f"zeren audit responsible {claim_id}",
            f"zeren claim show {claim_id}",
            "zeren ledger verify",
            "zeren targets",
            "zeren worklist --handler h-accept-1",
        ):
            self.line(f"  .venv/bin/{command} --state {state}")


def _grouped(facts: Iterable[Row]) -> Iterable[tuple[object, ...]]:
    """A line for the same facts of one day."""
    groups: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in facts:
        fact = one["fact"]
        groups[fact["businessdate"], _title(fact["type"]), fact["duty"]].append(one["index"])
    for (day, title, duty), indexes in groups.items():
        yield day, title, duty, len(indexes), ", ".join(map(str, indexes))


def _rule(trace: Row, step: Row) -> tuple[str, ...]:
    policy = step["policy"] or {}
    return (
        _title(trace["type"]),
        step["rule"],
        policy.get("name", ""),
        policy.get("citation", ""),
        step["result"],
        _amount(step["amount_fen"]),
        " ".join(policy.get("marks", ())),
    )


def _figures(row: Row) -> tuple[str, ...]:
    return (*(f"{row[name]:,}" for name in COUNTS[:-1]), yuan(row["paid_fen"]).removeprefix("¥"))


def _amount(fen: int | None) -> str:
    return "" if fen is None else yuan(fen)


def _title(type_name: str) -> str:
    return type_name.split(".")[2]
