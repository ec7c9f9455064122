"""Packages for people to read: rows for `zeren policy list`, `show` and `compare`, with their marks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared.money import yuan
from shared.policy.book import PolicyBook
from shared.policy.package import DatedEntry, Document, Entry, Package, PolicyPackage

DEMO_MARK = "演示 / DEMO"
UNVERIFIED_MARK = "未核实 / UNVERIFIED"


class PackageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One package version, as `zeren policy list` shows it.

    Attributes:
        in_force: "2023-12-20 – 2025-12-31"; open at the end until superseded.
        marks: DEMO_MARK, UNVERIFIED_MARK, or empty. Never hide them.
    """

    name: str
    zh: str
    en: str
    region: str
    kinds: tuple[str, ...]
    in_force: str
    document: str
    marks: tuple[str, ...]
    sha256: str


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a package, as `zeren policy show` shows it, with the mark of its own."""

    entry: str
    zh: str
    en: str
    citation: str
    marks: tuple[str, ...]


def package_rows(book: PolicyBook) -> tuple[PackageRow, ...]:
    """Every package version, by id and version."""
    return tuple(package_row(package) for package in book.packages())


def package_row(package: PolicyPackage) -> PackageRow:
    """One package version."""
    content = package.content
    return PackageRow(
        name=f"{package.id}@{package.version}",
        zh=content.title_zh,
        en=content.title_en,
        region=content.region or "",
        kinds=content.kinds,
        in_force=f"{content.effective_from} – {content.effective_to or ''}".rstrip(),
        document=document_line(content.document),
        marks=marks(demo=content.demo, verified=content.verified),
        sha256=package.sha256,
    )


def marks(*, demo: bool, verified: bool) -> tuple[str, ...]:
    """What must stand beside a figure: invented ones are DEMO, unread sources UNVERIFIED."""
    if demo:
        return (DEMO_MARK,)
    return () if verified else (UNVERIFIED_MARK,)


def document_line(document: Document) -> str:
    """Issuer, number, title and date, as far as they are known."""
    issued = "" if document.issued_on is None else document.issued_on.isoformat()
    parts = (document.issuer, document.no, f"《{document.title}》", issued)
    return " ".join(part for part in parts if part)


def entry_rows(package: PolicyPackage) -> tuple[EntryRow, ...]:
    """Every entry of a package, in the file's order."""
    content = package.content
    return tuple(
        EntryRow(
            entry=name,
            zh=zh,
            en=en,
            citation=entry.citation,
            marks=marks(
                demo=content.demo,
                verified=content.verified if entry.verified is None else entry.verified,
            ),
        )
        for name, entry, zh, en in (*_words(content), *_figures(content))
    )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that differs between two packages; None: it isn't there."""

    entry: str
    before: EntryRow | None
    after: EntryRow | None


def differences(before: PolicyPackage, after: PolicyPackage) -> tuple[Difference, ...]:
    """What a later version changes, entry by entry, in the order of the later file; removed entries last."""
    old = {row.entry: row for row in entry_rows(before)}
    new = {row.entry: row for row in entry_rows(after)}
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        Difference(entry=name, before=old.get(name), after=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


Described = tuple[str, Entry, str, str]


def _words(content: Package) -> Iterator[Described]:
    for region in content.regions:
        zh, en = f"{region.zh}（{'、'.join(region.authorities)}）", region.en
        yield f"regions[{region.code}]", region, zh, en
    for code in content.codes:
        yield f"codes[{code.vocabulary} {code.code}]", code, code.zh, code.en
    for occupation in content.occupations:
        yield f"occupations[{occupation.id}]", occupation, occupation.zh, occupation.en
    for alias in content.aliases:
        zh, en = (
            f"{alias.edition} 年版：{alias.occupation_id}",
            f"edition {alias.edition}: {alias.occupation_id}",
        )
        yield f"aliases[{alias.edition} {alias.code}]", alias, zh, en
    for row in content.listed:
        zh, en = f"{row.occupation_id} 列入 {row.list_id}", f"{row.occupation_id} is on list {row.list_id}"
        yield f"listed[{row.list_id} {row.occupation_id}]", row, zh, en


def _figures(content: Package) -> Iterator[Described]:
    for target in content.targets:
        zh = f"{target.year} 年 {target.total} 人次，{len(target.rows)} 个地区"
        yield (
            f"targets[{target.year}]",
            target,
            zh,
            f"{target.total} person-times, {len(target.rows)} regions",
        )
    if content.counting_event is not None:
        event = content.counting_event
        yield "counting_event", event, f"以 {event.event} 计人次", f"{event.event} makes a person-time"
    if content.no_repeat is not None:
        scope, key = " ∪ ".join(content.no_repeat.scope), " × ".join(content.no_repeat.key)
        yield "no_repeat", content.no_repeat, f"不可重复：{scope} 按 {key}", f"once a {key} over {scope}"
    for row in content.standards:
        amount, only = yuan(row.amount_fen), " ".join(("", *(row.occupations or ())))
        what = f"{row.kind} {'/'.join(row.payees)} {'/'.join(row.certificate_kinds)}{only}{_period(row)}"
        yield (
            f"standards[{row.id}]",
            row,
            f"{what} 等级 {row.level}：{amount}",
            f"{what} level {row.level}: {amount}",
        )
    for uplift in content.uplifts:
        what = f"{uplift.kind} +{uplift.permille}‰ {uplift.rounding.value}{_period(uplift)}"
        zh, en = f"{what} 清单 {uplift.list_id}", f"{what} for list {uplift.list_id}"
        yield f"uplifts[{uplift.id}]", uplift, zh, en
    if content.procedure is not None:
        rule = content.procedure
        values = msgspec.structs.asdict(rule)
        figures = ", ".join(f"{k}={_plain(v)}" for k, v in values.items() if k not in Entry.__struct_fields__)
        yield "procedure", rule, figures, figures
    if content.calendar is not None:
        year = content.calendar
        off, worked = (" ".join(f"{day:%m-%d}" for day in days) for days in (year.off, year.worked))
        zh, en = f"休息：{off}；上班：{worked}", f"off: {off}; worked: {worked}"
        yield "calendar", year, zh, en


def _period(entry: DatedEntry) -> str:
    begins, ends = entry.effective_from, entry.effective_to
    return f" {begins or ''} – {ends or ''}".rstrip() if begins or ends else ""


def _plain(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
