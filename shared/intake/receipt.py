"""Receipts: one stream a submission id, so that the event table's own key is the dedupe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shared.contracts.fact import Encoded
from shared.contracts.intake import (
    Origin,
    Reason,
    SubmissionAccepted,
    SubmissionIdReused,
    SubmissionQuarantined,
    SubmissionRejected,
)
from shared.decider import Decider
from shared.eventstore.changes import ClearDeadline, Effect, SendReceipt, Unpark, Wake
from shared.identity import derive_id

MAX_REJECTED_DIGESTS = 10
"""Other bodies under one submission id that are still answered."""

PARKING = "parking"
"""The kind of deadline of a parked submission."""

Receipt = SubmissionAccepted | SubmissionRejected


@dataclass(frozen=True, slots=True)
class Answered:
    """Which bodies of a submission id were answered, and at which version of its stream."""

    versions: dict[str, int] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The digest that holds the id."""
        return next(iter(self.versions))


@dataclass(frozen=True, slots=True)
class Give:
    """Gives the receipt of one body."""

    receipt: Receipt


def _give(command: Give, answered: Answered) -> list[Receipt]:
    if command.receipt.origin.digest in answered.versions or len(answered.versions) > MAX_REJECTED_DIGESTS:
        return []
    return [command.receipt]


def _given(answered: Answered, receipt: Receipt) -> Answered:
    versions = answered.versions | {receipt.origin.digest: len(answered.versions) + 1}
    return replace(answered, versions=versions)


receipts: Decider[Give, Answered, Receipt] = Decider(
    "receipt", Answered(), _give, _given, (SubmissionAccepted, SubmissionRejected)
)


@dataclass(frozen=True, slots=True)
class Note:
    """Records something once in a stream of its own."""

    fact: SubmissionQuarantined | SubmissionIdReused


def _note(command: Note, noted: frozenset[str]) -> list[SubmissionQuarantined | SubmissionIdReused]:
    return [] if _digest(command.fact) in noted else [command.fact]


def _noted(noted: frozenset[str], fact: SubmissionQuarantined | SubmissionIdReused) -> frozenset[str]:
    return noted | {_digest(fact)}


def _digest(fact: SubmissionQuarantined | SubmissionIdReused) -> str:
    return fact.origin.digest if isinstance(fact, SubmissionQuarantined) else fact.other_digest


notes: Decider[Note, frozenset[str], SubmissionQuarantined | SubmissionIdReused] = Decider(
    "note", frozenset(), _note, _noted, (SubmissionQuarantined, SubmissionIdReused)
)


def quarantine_id(service: str, digest: str) -> str:
    """The stream of what can't be attributed; `digest` covers value and signature."""
    return derive_id(service, "quarantine", digest)


def risk_id(receipt_id: str) -> str:
    """The stream of risks about one submission id."""
    return derive_id(receipt_id, "risk")


def rejected(
    submission_id: str, kind: str, institution: str, origin: Origin, *reasons: Reason
) -> SubmissionRejected:
    """A rejection for these reasons."""
    return SubmissionRejected(
        submission_id=submission_id,
        submission_type=kind,
        institution=institution,
        origin=origin,
        reasons=list(reasons),
    )


def receipt_effects(fact: Encoded) -> Iterable[Effect]:
    """A receipt is sent, ends the wait of its submission, and lets other bodies of its id be answered."""
    match fact.data:
        case (
            SubmissionAccepted(institution=institution, origin=origin)
            | SubmissionRejected(institution=institution, origin=origin)
        ):
            yield SendReceipt(institution, fact.stream, fact.version)
            yield Unpark(fact.stream, origin.digest)
            yield ClearDeadline(PARKING, f"{fact.stream}/{origin.digest}")
            yield Wake(f"receipt:{fact.stream}")
        case _:
            pass
