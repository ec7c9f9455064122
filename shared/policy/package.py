"""A policy package as it stands in its TOML file.

The first version of a package is `policy/<package>.toml`, later ones are `<package>@<version>.toml`. Data
only: a version is immutable once approved, and a correction is a new version. Tables of the file have the
names of the fields here; an unknown one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, get_args

import msgspec

from shared.contracts.trace import PolicyRef
from shared.money import Rounding

SubsidyKind = Literal["TRAINING", "SKILL_UPGRADE", "ASSESSMENT", "LIVING_ALLOWANCE"]
PayeeKind = Literal["PERSON", "INSTITUTION"]
Level = Literal["5", "4", "3", "2", "1", "X"]
"""五级/初级工 "5" to 一级/高级技师 "1"; "X" for 专项能力, which has no level."""
CertificateKind = Literal["QUALIFICATION", "SKILL_LEVEL", "SPECIAL_ABILITY", "COMPLETION"]
ReviewStage = Literal["FIRST_REVIEW", "RE_REVIEW"]
DateBasis = Literal["CERTIFICATE_DATE", "CLASS_START", "CLAIM_DATE", "BUSINESS_DATE"]
Precedence = Literal["CITY", "PROVINCE", "NATION", "DEMO"]
"""Best first: city beats province beats nation beats DEMO."""
RANK: dict[Precedence, int] = {name: rank for rank, name in enumerate(get_args(Precedence))}

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
RegionCode = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{5}$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Permille = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the file; an unknown field in it is an error."""


class Document(Table, frozen=True, kw_only=True):
    """The paper that a package states.

    Attributes:
        no: the document number; absent where it is not known, never invented.
        issued_on: absent where it is not known.
        source: where the text was read.
    """

    title: Text
    source: Text
    no: Text | None = None
    issuer: Text | None = None
    issued_on: date | None = None


class Entry(Table, frozen=True, kw_only=True):
    """What every entry carries.

    Attributes:
        citation: the article, or the source of the figure.
        verified: overrules the package's mark for this entry.
    """

    citation: Text
    verified: bool | None = None


class Region(Entry, frozen=True, kw_only=True):
    """A region that answers for a target; its authorities run the classes counted to it."""

    code: RegionCode
    zh: Text
    en: Text
    authorities: tuple[Text, ...]


class TargetRow(Table, frozen=True, kw_only=True):
    """A region's share of a target, in person-times (人次)."""

    region: RegionCode
    count: Count


class Target(Entry, frozen=True, kw_only=True):
    """A year's target (目标任务) in person-times (人次); the rows sum to the total."""

    year: Annotated[int, msgspec.Meta(ge=2000, le=2100)]
    total: Count
    rows: tuple[TargetRow, ...]


class CountingEvent(Entry, frozen=True, kw_only=True):
    """The fact that makes a person-time count."""

    event: Text


class Code(Entry, frozen=True, kw_only=True):
    """A word of the policy: a training kind, a certificate kind, a group of persons.

    Attributes:
        opens: the subsidy kinds to which the word alone opens the way.
    """

    vocabulary: Literal["training_kind", "delivery_mode", "programme_tag", "certificate_kind", "group"]
    code: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Z0-9_]*$")]
    zh: Text
    en: Text
    opens: tuple[SubsidyKind, ...] = ()


class NoRepeat(Entry, frozen=True, kw_only=True):
    """The no-repeat rule: one key, once, over all the subsidy kinds of the scope."""

    scope: tuple[SubsidyKind, ...]
    key: tuple[Literal["person", "occupation", "level"], ...]


class DatedEntry(Entry, frozen=True, kw_only=True):
    """An entry with dates of its own, both included, within the package's."""

    effective_from: date | None = None
    effective_to: date | None = None


class StandardEntry(DatedEntry, frozen=True, kw_only=True):
    """A subsidy standard (补贴标准).

    Attributes:
        occupations: absent: every occupation.
    """

    id: Identifier
    kind: SubsidyKind
    payees: tuple[PayeeKind, ...]
    level: Level
    certificate_kinds: tuple[CertificateKind, ...]
    amount_fen: Count
    occupations: tuple[Identifier, ...] | None = None


class Uplift(DatedEntry, frozen=True, kw_only=True):
    """An addition to the package's standards for the occupations of a list."""

    id: Identifier
    kind: SubsidyKind
    list_id: Identifier
    permille: Permille
    rounding: Rounding


class Listed(Entry, frozen=True, kw_only=True):
    """An occupation on a list, such as the urgent ones (急需紧缺)."""

    list_id: Identifier
    occupation_id: Identifier


class ProcedureEntry(Entry, frozen=True, kw_only=True):
    """The figures of training and of handling. Units are in the names."""

    attendance_permille: Permille
    class_hour_minutes: Count
    age_from: Count
    age_below: Count
    max_trainees: Count
    pass_mark: Annotated[int, msgspec.Meta(ge=1, le=100)]
    claim_within_months: Count
    public_notice_working_days: Count
    parking_business_days: Count
    review_stages: tuple[ReviewStage, ...]


class Occupation(Entry, frozen=True, kw_only=True):
    """An occupation (职业) under an id of our own: codes are reused between editions, ids never."""

    id: Identifier
    zh: Text
    en: Text


class Alias(Entry, frozen=True, kw_only=True):
    """The code of an occupation in one edition of the national catalogue (职业分类大典)."""

    edition: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}$")]
    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]-[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    occupation_id: Identifier


class CalendarYear(Entry, frozen=True, kw_only=True):
    """A year's holiday arrangement.

    Attributes:
        off: weekdays that are not worked.
        worked: weekend days that are worked (调休上班).
    """

    year: Annotated[int, msgspec.Meta(ge=2000, le=2100)]
    off: tuple[date, ...]
    worked: tuple[date, ...]


PackageKind = Literal[
    "region",
    "target",
    "code",
    "no_repeat",
    "subsidy_standard",
    "occupation_list",
    "procedure",
    "occupation",
    "calendar",
]


class Package(Table, frozen=True, kw_only=True):
    """A whole file.

    Attributes:
        region: where it applies, a province's or a city's code; absent: everywhere.
        effective_from, effective_to: first and last day, both included, judged by `reference_date_basis`;
            without `effective_to` it is in force until superseded.
    """

    package: Identifier
    version: Count
    kinds: tuple[PackageKind, ...]
    title_zh: Text
    title_en: Text
    precedence: Precedence
    verified: bool
    demo: bool
    effective_from: date
    document: Document
    effective_to: date | None = None
    region: RegionCode | None = None
    reference_date_basis: DateBasis | None = None
    forwards: tuple[Document, ...] = ()
    regions: tuple[Region, ...] = ()
    targets: tuple[Target, ...] = ()
    counting_event: CountingEvent | None = None
    codes: tuple[Code, ...] = ()
    no_repeat: NoRepeat | None = None
    standards: tuple[StandardEntry, ...] = ()
    uplifts: tuple[Uplift, ...] = ()
    listed: tuple[Listed, ...] = ()
    procedure: ProcedureEntry | None = None
    occupations: tuple[Occupation, ...] = ()
    aliases: tuple[Alias, ...] = ()
    calendar: CalendarYear | None = None


@dataclass(frozen=True, slots=True)
class PolicyPackage:
    """A package as loaded.

    Attributes:
        file: the file's name.
        sha256: of the file's bytes, hex.
    """

    file: str
    sha256: str
    content: Package

    @property
    def id(self) -> str:
        """The package's id, "xiamen-2024"."""
        return self.content.package

    @property
    def version(self) -> int:
        """The version: 1, 2, 3 and so on."""
        return self.content.version

    @property
    def rank(self) -> int:
        """0 is best: city, province, nation, DEMO."""
        return RANK[self.content.precedence]

    def ref(self, entry: str = "", *, verified: bool | None = None) -> PolicyRef:
        """A reference to an entry, with its own `verified` where it has one; DEMO is never verified."""
        return PolicyRef(
            package=self.id,
            version=self.version,
            sha256=self.sha256,
            entry=entry,
            demo=self.content.demo,
            verified=not self.content.demo and (self.content.verified if verified is None else verified),
        )

    def in_force(self, on: date) -> bool:
        """Whether its dates hold that day, both ends included."""
        return in_force(self.content, on)


def in_force(dated: Package | DatedEntry, on: date) -> bool:
    """Whether a package's or an entry's dates hold that day, both ends included; no date, no bound."""
    begins, ends = dated.effective_from, dated.effective_to
    return (begins is None or begins <= on) and (ends is None or on <= ends)


def overlap(one: Package | DatedEntry, other: Package | DatedEntry) -> bool:
    """Whether some day lies in both periods."""
    begins = max(one.effective_from or date.min, other.effective_from or date.min)
    ends = min(one.effective_to or date.max, other.effective_to or date.max)
    return begins <= ends
