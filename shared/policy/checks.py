"""Checks on one package's content, beyond its types. Each finding says where, what is wrong, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import date
from itertools import combinations
from typing import NamedTuple

from shared.policy.package import (
    CalendarYear,
    DatedEntry,
    Package,
    PackageKind,
    ProcedureEntry,
    StandardEntry,
    Target,
    overlap,
)


class Finding(NamedTuple):
    """Something wrong in a package; texts are Chinese, then English."""

    entry: str
    problem: str
    remedy: str


SECTIONS: dict[PackageKind, tuple[str, ...]] = {
    "region": ("regions",),
    "target": ("targets", "counting_event"),
    "code": ("codes",),
    "no_repeat": ("no_repeat",),
    "subsidy_standard": ("standards", "uplifts"),
    "occupation_list": ("listed",),
    "procedure": ("procedure",),
    "occupation": ("occupations", "aliases"),
    "calendar": ("calendar",),
}
"""Which tables of the file make a package of which kind."""
DATED_KINDS: frozenset[PackageKind] = frozenset(
    {"subsidy_standard", "occupation_list", "procedure", "no_repeat"}
)
SATURDAY = 5
LEVELLED = {"QUALIFICATION", "SKILL_LEVEL"}


def findings(package: Package) -> Iterator[Finding]:
    """Everything wrong within one package."""
    for check in _CHECKS:
        yield from check(package)


def _header(package: Package) -> Iterator[Finding]:
    kinds = {kind for kind, names in SECTIONS.items() if any(getattr(package, name) for name in names)}
    if kinds != set(package.kinds) or len(package.kinds) != len(kinds):
        yield Finding(
            "kinds",
            f"kinds 与内容不符 / kinds differ from the tables: {sorted(kinds)}",
            "请使 kinds 与表一致 / make kinds name the tables, each once",
        )
    if package.demo != (package.precedence == "DEMO"):
        yield Finding(
            "demo",
            "demo 与 precedence 不一致 / demo and precedence disagree",
            '演示包两者都写：demo = true，precedence = "DEMO" / a demo package says both, others neither',
        )
    if package.verified and (package.demo or package.document.issuer is None):
        yield Finding(
            "verified",
            "演示包或无发文机关不得标为已核实 / demo, or without an issuer, is not verified",
            "请改为 verified = false，或补 document.issuer / set verified = false or give document.issuer",
        )
    if DATED_KINDS & kinds and package.reference_date_basis is None:
        yield Finding(
            "reference_date_basis",
            "缺少基准日期 / no date says which version applies",
            "请写明 reference_date_basis / give reference_date_basis",
        )


def _region(package: Package) -> Iterator[Finding]:
    region, precedence = package.region, package.precedence
    wrong = (
        (precedence == "CITY" and (region is None or region.endswith("0000")))
        or (precedence == "PROVINCE" and (region is None or not region.endswith("0000")))
        or (precedence == "NATION" and region is not None)
    )
    if wrong:
        yield Finding(
            "region",
            f"region 与 precedence {precedence} 不符 / region does not fit precedence {precedence}",
            "市级写市代码，省级写 xx0000，全国不写 / a city's code, xx0000, or none for the nation",
        )
    for row in package.regions:
        if not row.authorities:
            yield Finding(
                f"regions[{row.code}]",
                "没有主管机关 / no authority",
                "请至少写一个 / name at least one in authorities",
            )
    yield from _twice("regions", (row.code for row in package.regions))


def _dates(package: Package) -> Iterator[Finding]:
    if package.effective_to is not None and package.effective_to < package.effective_from:
        yield _reversed("effective_to")
    for name, entry in _dated_entries(package):
        if (entry.effective_from or date.min) > (entry.effective_to or date.max):
            yield _reversed(name)
            continue
        dates = [day for day in (entry.effective_from, entry.effective_to) if day is not None]
        last = package.effective_to or date.max
        if not all(package.effective_from <= day <= last for day in dates):
            yield Finding(
                name,
                "生效期超出本包 / its dates reach beyond the package's",
                "请改在本包生效期之内 / keep them within effective_from and effective_to of the package",
            )


def _dated_entries(package: Package) -> Iterator[tuple[str, DatedEntry]]:
    for standard in package.standards:
        yield f"standards[{standard.id}]", standard
    for uplift in package.uplifts:
        yield f"uplifts[{uplift.id}]", uplift


def _reversed(entry: str) -> Finding:
    return Finding(
        entry,
        "生效期起止颠倒 / its dates are reversed",
        "请使 effective_from 不晚于 effective_to / let effective_from come first",
    )


def _standards(package: Package) -> Iterator[Finding]:
    ids = [*(standard.id for standard in package.standards), *(uplift.id for uplift in package.uplifts)]
    yield from _twice("standards/uplifts", ids)
    for standard in package.standards:
        fits = (kind in LEVELLED for kind in standard.certificate_kinds)
        wrong = any(fits) if standard.level == "X" else not all(fits)
        if wrong or not standard.certificate_kinds or not standard.payees:
            yield Finding(
                f"standards[{standard.id}]",
                "等级与证书种类或收款人不符 / level, certificate kinds and payees don't fit",
                "五至一级配职业资格、技能等级证书，X 配其余，payees 不空"
                " / levels 5–1 go with QUALIFICATION and SKILL_LEVEL, X with the others; name a payee",
            )
    for one, other in combinations(package.standards, 2):
        if clash(one, other):
            yield Finding(
                f"standards[{other.id}]",
                f"与 standards[{one.id}] 重叠 / overlaps standards[{one.id}]",
                "同一情形同一天只能有一条标准 / leave one standard a case and day",
            )


def _uplifts(package: Package) -> Iterator[Finding]:
    for one, other in combinations(package.uplifts, 2):
        if one.kind == other.kind and overlap(one, other):
            yield Finding(
                f"uplifts[{other.id}]",
                f"与 uplifts[{one.id}] 并存，叠加未定 / in force beside it: stacking is undecided",
                "同一补贴同一天只能有一条上浮 / leave one uplift a kind and day",
            )


def clash(one: StandardEntry, other: StandardEntry) -> bool:
    """Whether some claim on some day would find both standards."""
    occupations = one.occupations is None or other.occupations is None
    return (
        (one.kind, one.level) == (other.kind, other.level)
        and bool(set(one.payees) & set(other.payees))
        and bool(set(one.certificate_kinds) & set(other.certificate_kinds))
        and (occupations or bool(set(one.occupations or ()) & set(other.occupations or ())))
        and overlap(one, other)
    )


def _lists(package: Package) -> Iterator[Finding]:
    yield from _twice("listed", ((row.list_id, row.occupation_id) for row in package.listed))
    yield from _twice("codes", ((row.vocabulary, row.code) for row in package.codes))
    rule = package.no_repeat
    if rule is not None and not (_distinct(rule.scope) and _distinct(rule.key)):
        yield Finding(
            "no_repeat",
            "scope 或 key 为空或重复 / scope or key is empty or says a thing twice",
            "请逐项各写一次 / name each once",
        )


def _targets(package: Package) -> Iterator[Finding]:
    yield from _twice("targets", (target.year for target in package.targets))
    for target in package.targets:
        yield from _target(target)


def _target(target: Target) -> Iterator[Finding]:
    name = f"targets[{target.year}]"
    yield from _twice(name, (row.region for row in target.rows))
    total = sum(row.count for row in target.rows)
    if total != target.total:
        yield Finding(
            name,
            f"各地区之和 {total} 不等于合计 {target.total} / the rows sum to {total}",
            "请对照原表改正 / correct the rows or the total from the notice's table",
        )


def _procedure(package: Package) -> Iterator[Finding]:
    rule: ProcedureEntry | None = package.procedure
    if rule is None:
        return
    if rule.age_from >= rule.age_below:
        yield Finding(
            "procedure.age_below",
            "年龄上限不高于下限 / the age limits are reversed",
            "请使 age_from 小于 age_below / let age_from be less than age_below",
        )
    if not _distinct(rule.review_stages):
        yield Finding(
            "procedure.review_stages",
            "审核环节为空或重复 / review stages are empty or repeated",
            "请按顺序各写一次 / name each stage once, in order",
        )


def _occupations(package: Package) -> Iterator[Finding]:
    yield from _twice("occupations", (row.id for row in package.occupations))
    yield from _twice("aliases", ((row.edition, row.code) for row in package.aliases))
    yield from _twice("aliases", ((row.edition, row.occupation_id) for row in package.aliases))
    known = {row.id for row in package.occupations}
    for row in package.aliases:
        if row.occupation_id not in known:
            yield Finding(
                f"aliases[{row.edition} {row.code}]",
                f"没有职业 {row.occupation_id} / there is no occupation {row.occupation_id}",
                "请先在 occupations 中列出 / list it under occupations",
            )


def _calendar(package: Package) -> Iterator[Finding]:
    calendar: CalendarYear | None = package.calendar
    if calendar is None:
        return
    first, last = date(calendar.year, 1, 1), date(calendar.year, 12, 31)
    if (package.effective_from, package.effective_to) != (first, last):
        yield Finding(
            "calendar.year",
            "生效期不是该年全年 / the package is not in force for exactly that year",
            f"请写 {first} 至 {last} / set effective_from {first} and effective_to {last}",
        )
    yield from _twice("calendar", (*calendar.off, *calendar.worked))
    for name, days, weekend in (("off", calendar.off, False), ("worked", calendar.worked, True)):
        for day in days:
            if day.year != calendar.year or (day.weekday() >= SATURDAY) != weekend:
                yield Finding(
                    f"calendar.{name}",
                    f"{day} 不属于此列 / {day} does not belong here",
                    "off 列当年的周一至周五，worked 列周末 / off takes weekdays, worked weekend days",
                )


def _distinct(values: tuple[Hashable, ...]) -> bool:
    return 0 < len(values) == len(set(values))


def _twice(entry: str, keys: Iterable[Hashable]) -> Iterator[Finding]:
    for key, times in Counter(keys).items():
        if times > 1:
            shown = " ".join(str(part) for part in key) if isinstance(key, tuple) else str(key)
            yield Finding(
                f"{entry}[{shown}]",
                f"重复 {times} 次 / stands {times} times",
                "请只留一条 / leave one",
            )


_CHECKS: tuple[Callable[[Package], Iterator[Finding]], ...] = (
    _header,
    _region,
    _dates,
    _standards,
    _uplifts,
    _lists,
    _targets,
    _procedure,
    _occupations,
    _calendar,
)
