"""Checks between packages: what one names, another must hold, and no two of equal rank may both apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from shared.policy.checks import Finding, clash
from shared.policy.package import PolicyPackage, overlap


def findings_between(packages: Sequence[PolicyPackage]) -> Iterator[tuple[PolicyPackage, Finding]]:
    """Everything wrong between packages, each with the package to correct."""
    yield from _names(packages)
    for one, other in combinations(packages, 2):
        if one.id != other.id:
            yield from _shared_ids(one, other)
            yield from _rivals(one, other)
            continue
        if _nature(one) != _nature(other):
            yield (
                other,
                Finding(
                    "version",
                    f"种类、地区或级别与 {one.file} 不同 / kinds, region or precedence differ from it",
                    "请另立新包 / make it a package of its own",
                ),
            )
        if one.version == other.version:
            yield (
                other,
                Finding(
                    "version",
                    f"与 {one.file} 同包同版本 / the same package and version as {one.file}",
                    "请改版本号；已批准的不得改动 / give it the next version",
                ),
            )


def _nature(package: PolicyPackage) -> tuple[set[str], str | None, int]:
    """What every version of a package keeps."""
    return set(package.content.kinds), package.content.region, package.rank


def _names(packages: Sequence[PolicyPackage]) -> Iterator[tuple[PolicyPackage, Finding]]:
    regions = {row.code for package in packages for row in package.content.regions}
    occupations = {row.id for package in packages for row in package.content.occupations}
    lists = {row.list_id for package in packages for row in package.content.listed}
    for package in packages:
        content = package.content
        if content.region is not None and not content.region.endswith("0000"):
            yield from _missing(package, "region", {content.region} - regions)
        for target in content.targets:
            yield from _missing(
                package, f"targets[{target.year}]", {row.region for row in target.rows} - regions
            )
        yield from _missing(package, "listed", {row.occupation_id for row in content.listed} - occupations)
        for uplift in content.uplifts:
            yield from _missing(package, f"uplifts[{uplift.id}]", {uplift.list_id} - lists)
        for standard in content.standards:
            named = set(standard.occupations or ())
            yield from _missing(package, f"standards[{standard.id}]", named - occupations)


def _missing(
    package: PolicyPackage, entry: str, unknown: set[str]
) -> Iterator[tuple[PolicyPackage, Finding]]:
    for name in sorted(unknown):
        yield (
            package,
            Finding(
                entry,
                f"引用了没有的 {name} / names {name}, which no package holds",
                "请改正代码，或加上列出它的包 / correct the code or add the package that lists it",
            ),
        )


def _shared_ids(one: PolicyPackage, other: PolicyPackage) -> Iterator[tuple[PolicyPackage, Finding]]:
    for entry, mine, theirs in (
        ("regions", _region_codes(one), _region_codes(other)),
        ("occupations", _occupation_ids(one), _occupation_ids(other)),
        ("aliases", _alias_codes(one), _alias_codes(other)),
        ("targets", _target_years(one), _target_years(other)),
        ("calendar", _calendar_years(one), _calendar_years(other)),
    ):
        for name in sorted(mine & theirs):
            yield (
                other,
                Finding(
                    f"{entry}[{name}]",
                    f"{one.file} 已有 / {one.file} holds it already",
                    "请只留在一个包内 / leave it in one package",
                ),
            )


def _region_codes(package: PolicyPackage) -> set[str]:
    return {row.code for row in package.content.regions}


def _occupation_ids(package: PolicyPackage) -> set[str]:
    return {row.id for row in package.content.occupations}


def _alias_codes(package: PolicyPackage) -> set[str]:
    return {f"{row.edition} {row.code}" for row in package.content.aliases}


def _target_years(package: PolicyPackage) -> set[str]:
    return {str(row.year) for row in package.content.targets}


def _calendar_years(package: PolicyPackage) -> set[str]:
    calendar = package.content.calendar
    return set() if calendar is None else {str(calendar.year)}


def _rivals(one: PolicyPackage, other: PolicyPackage) -> Iterator[tuple[PolicyPackage, Finding]]:
    mine, theirs = one.content, other.content
    if one.rank != other.rank or not overlap(mine, theirs) or mine.region != theirs.region:
        return
    for standard in theirs.standards:
        for rival in mine.standards:
            if clash(rival, standard):
                yield other, _rival(f"standards[{standard.id}]", f"{one.file} standards[{rival.id}]")
    if mine.procedure is not None and theirs.procedure is not None:
        yield other, _rival("procedure", f"{one.file} procedure")
    if mine.no_repeat is not None and theirs.no_repeat is not None:
        yield other, _rival("no_repeat", f"{one.file} no_repeat")


def _rival(entry: str, rival: str) -> Finding:
    return Finding(
        entry,
        f"与 {rival} 同级同期并存 / in force beside {rival}, of equal rank",
        "请错开生效期，或改为同一包的新版本 / part their dates, or make it the next version of that package",
    )
