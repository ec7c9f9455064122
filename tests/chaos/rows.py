"""Plain rows of the raw stores: what the checker looks at, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row of a service's events table. `source` is "<service>@<incarnation>"."""

    service: str
    source: str
    position: int
    stream: str
    version: int
    type: str
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A record of a facts topic."""

    service: str
    source: str
    partition: int
    offset: int
    position: int
    previous: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An entry of the ledger, with where it came from."""

    index: int
    source: str
    partition: int
    position: int
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A record of an intake topic: SHA-256 of the value, and of value and signature."""

    service: str
    partition: int
    offset: int
    digest: str
    whole: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What Kafka told an institution that it has."""

    service: str
    partition: int
    offset: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A record of a receipts topic."""

    institution: str
    offset: int
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An HTTP command and the answer that somebody was given, as JSON with sorted keys."""

    service: str
    causation: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """What the bank answered for one claim, once for each document of its own."""

    document: str
    batch_id: str
    claim_id: str
    amount_fen: int
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim as payment's read model shows it."""

    claim_id: str
    stage: str
    paid_fen: int


@dataclass(slots=True, kw_only=True)
class Stores:
    """Everything that was found when the run was over, and what had been acknowledged before.

    Attributes:
        kept: by causation id, the answers that services keep, as JSON with sorted keys.
        seen: receipts as they were seen during the run.
    """

    stored: list[Stored] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    seen: list[Delivered] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    bank: list[BankLine] = field(default_factory=list)
    claims: list[ClaimRow] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """How much was looked at."""
        return {
            "facts": len(self.stored),
            "records_of_facts": len(self.sent),
            "leaves": len(self.leaves),
            "submissions_sent": len(self.taken),
            "submissions_distinct": len({(one.service, one.whole) for one in self.taken}),
            "submissions_acknowledged": len(self.acknowledged),
            "receipts_delivered": len(self.delivered),
            "receipts_distinct": len({one.value for one in self.delivered}),
            "receipts_seen_meanwhile": len(self.seen),
            "commands_answered": len(self.answered),
            "bank_lines": len(self.bank),
            "claims": len(self.claims),
        }
