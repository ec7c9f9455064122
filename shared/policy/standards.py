"""Which subsidy standard (补贴标准) a claim finds, and the trace of how.

City beats province beats nation beats DEMO; within a rank the narrower region. A later version of a package
that is in force replaces the earlier one whole. Each package's `reference_date_basis` picks the date by which
it, and its entries, are in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import msgspec

from shared.contracts.trace import DecisionTrace, TraceStep, decided
from shared.money import permille_of
from shared.policy.package import (
    CertificateKind,
    DateBasis,
    DatedEntry,
    Level,
    PayeeKind,
    PolicyPackage,
    StandardEntry,
    SubsidyKind,
    in_force,
)
from shared.policy.refusals import NoStandard
from shared.policy.regions import RegionTable, prefix_of


class ClaimFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a subsidy standard is looked up by.

    Attributes:
        region: the class's managing authority, a code of six digits.
        level: "5" to "1", or "X".
        certificate_kind: None where no certificate is needed.
        certificate_on, class_start_on: None where there is none; packages judged by it then don't apply.
    """

    kind: SubsidyKind
    payee: PayeeKind
    region: str
    occupation_id: str
    level: Level
    certificate_kind: CertificateKind
    claimed_on: date
    certificate_on: date | None = None
    class_start_on: date | None = None

    def date_by(self, basis: DateBasis) -> date | None:
        """The date that a package's basis picks."""
        match basis:
            case "CERTIFICATE_DATE":
                return self.certificate_on
            case "CLASS_START":
                return self.class_start_on
            case "CLAIM_DATE" | "BUSINESS_DATE":
                return self.claimed_on


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """The amount that a claim's facts give, with the trace that goes into the fact."""

    amount_fen: int
    trace: DecisionTrace


Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class StandardTable:
    """The standards, uplifts and lists of a book, the strongest package first."""

    _regions: RegionTable
    _standards: Mapping[Key, Sequence[tuple[PolicyPackage, StandardEntry]]]
    _lists: Mapping[str, Sequence[PolicyPackage]]
    _later: Mapping[tuple[str, int], Sequence[PolicyPackage]]

    @classmethod
    def of(cls, packages: Iterable[PolicyPackage], regions: RegionTable) -> StandardTable:
        """A table of the packages that carry standards or lists."""
        standards: dict[Key, list[tuple[PolicyPackage, StandardEntry]]] = {}
        lists: dict[str, list[PolicyPackage]] = {}
        ordered = sorted(packages, key=strength)
        for package in ordered:
            for entry in package.content.standards:
                for payee in entry.payees:
                    for certificate in entry.certificate_kinds:
                        key = (entry.kind, payee, entry.level, certificate)
                        standards.setdefault(key, []).append((package, entry))
            for list_id in sorted({row.list_id for row in package.content.listed}):
                lists.setdefault(list_id, []).append(package)
        later = {
            (package.id, package.version): [
                other for other in ordered if other.id == package.id and other.version > package.version
            ]
            for package in ordered
        }
        return cls(regions, MappingProxyType(standards), MappingProxyType(lists), MappingProxyType(later))

    def find(self, facts: ClaimFacts) -> Standard:
        """The standard for a claim's facts.

        Raises:
            NoStandard: none is in force; its trace says what was asked.
            UnknownRegion: no authority answers for the region.
        """
        found = self._candidates(facts)
        if not found:
            asked = TraceStep(rule="standard", inputs=_inputs(facts, "claimed_on"), result="NONE")
            raise NoStandard(decided("NO_STANDARD", asked))
        package, entry = found[0]
        base = TraceStep(
            rule="standard",
            ref=package.ref(entry.id, verified=entry.verified),
            inputs=_inputs(facts, _field(package)),
            result="FOUND",
            amount_fen=entry.amount_fen,
            over=tuple(loser.ref(lost.id).name for loser, lost in found[1:]),
        )
        amount, uplifted = self._uplift(facts, package, entry.amount_fen)
        trace = decided("STANDARD", base, *uplifted, amount_fen=amount)
        return Standard(amount_fen=amount, trace=trace)

    def _candidates(self, facts: ClaimFacts) -> list[tuple[PolicyPackage, StandardEntry]]:
        key = (facts.kind, facts.payee, facts.level, facts.certificate_kind)
        self._regions.find(facts.region)
        return [
            (package, entry)
            for package, entry in self._standards.get(key, ())
            if (entry.occupations is None or facts.occupation_id in entry.occupations)
            and self._applies(package, entry, facts)
        ]

    def _applies(self, package: PolicyPackage, entry: DatedEntry | None, facts: ClaimFacts) -> bool:
        on = self._reached_on(package, facts)
        if on is None or (entry is not None and not in_force(entry, on)):
            return False
        later = self._later[package.id, package.version]
        return all(self._reached_on(other, facts) is None for other in later)

    def _reached_on(self, package: PolicyPackage, facts: ClaimFacts) -> date | None:
        """The date by which the package is in force for the facts, or None."""
        basis = package.content.reference_date_basis
        on = None if basis is None else facts.date_by(basis)
        if on is None or not package.in_force(on):
            return None
        return on if self._regions.covers(package.content.region, facts.region) else None

    def _uplift(
        self, facts: ClaimFacts, package: PolicyPackage, amount_fen: int
    ) -> tuple[int, tuple[TraceStep, ...]]:
        for uplift in package.content.uplifts:
            if uplift.kind == facts.kind and self._applies(package, uplift, facts):
                break
        else:
            return amount_fen, ()
        listed = self._listed(uplift.list_id, facts)
        if listed.result != "LISTED":
            return amount_fen, (listed,)
        total = amount_fen + permille_of(amount_fen, uplift.permille, uplift.rounding)
        added = TraceStep(
            rule="uplift",
            ref=package.ref(uplift.id, verified=uplift.verified),
            inputs={"permille": uplift.permille, "rounding": uplift.rounding.value},
            result="ADDED",
            amount_fen=total,
        )
        return total, (listed, added)

    def _listed(self, list_id: str, facts: ClaimFacts) -> TraceStep:
        consulted: PolicyPackage | None = None
        for package in self._lists.get(list_id, ()):
            if not self._applies(package, None, facts):
                continue
            consulted = consulted or package
            for row in package.content.listed:
                if (row.list_id, row.occupation_id) == (list_id, facts.occupation_id):
                    ref = package.ref(f"{list_id}/{row.occupation_id}", verified=row.verified)
                    return TraceStep(rule="list", ref=ref, result="LISTED")
        return TraceStep(
            rule="list",
            ref=None if consulted is None else consulted.ref(list_id),
            result="NO_LIST" if consulted is None else "NOT_LISTED",
        )


def strength(package: PolicyPackage) -> tuple[int, int, str, int]:
    """Sorts the strongest first: rank, then the narrower region, then the later version of one package."""
    region = package.content.region
    return (package.rank, -len(prefix_of(region or "")), package.id, -package.version)


def _field(package: PolicyPackage) -> str:
    match package.content.reference_date_basis:
        case "CERTIFICATE_DATE":
            return "certificate_on"
        case "CLASS_START":
            return "class_start_on"
        case _:
            return "claimed_on"


def _inputs(facts: ClaimFacts, field: str) -> dict[str, str | int]:
    on: date = getattr(facts, field)
    return {
        "kind": facts.kind,
        "payee": facts.payee,
        "region": facts.region,
        "occupation": facts.occupation_id,
        "level": facts.level,
        "certificate": facts.certificate_kind,
        field: on.isoformat(),
    }
