"""The intake's way to the vault: persons resolved and raw bodies sealed, before any decision.

The order survives a crash anywhere: vault, then the service's transaction, then the Kafka commit. Each step is
keyed by the submission's digest, so a repetition finds what the first try made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.contracts.checking import Checked
from shared.contracts.submission import EnrolTrainee, RegisterCandidate, Trainee
from shared.eventstore.store import Unavailable
from shared.intake.handling import ResolvedPerson
from shared.intake.incoming import Attributed, Incoming, Unattributable
from shared.vault.errors import VaultUnavailable
from shared.vault.persons import PersonStep


class Persons(Protocol):
    """Resolves the person of each step; the same ID number gives the same id for ever."""

    def resolve(self, batch: Sequence[PersonStep]) -> Mapping[str, ResolvedPerson]:
        """By submission digest."""


class Evidence(Protocol):
    """Raw bodies, sealed."""

    def seal(self, rows: Sequence[tuple[str, bytes, str | None]]) -> None:
        """Keeps (digest, body, person or None)."""

    def open(self, digest: str) -> bytes | None:
        """The body, or None where it is gone."""

    def kept(self, digest: str) -> bool:
        """Whether it was kept at all, readable or not."""


class SealedIntake:
    """Persons and evidence together."""

    def __init__(self, persons: Persons, evidence: Evidence) -> None:
        self._persons = persons
        self._evidence = evidence

    def take(self, records: Sequence[Attributed | Unattributable]) -> Mapping[str, ResolvedPerson]:
        """Resolves and seals a batch. Returns persons by submission digest. Raises: Unavailable."""
        steps = {step.digest: step for record in records if (step := person_step(record)) is not None}
        try:
            persons = self._persons.resolve(list(steps.values())) if steps else {}
            self._evidence.seal(_rows(records, persons))
        except VaultUnavailable as error:
            raise Unavailable("vault") from error
        return persons

    def resolve_again(self, record: Attributed) -> ResolvedPerson | None:
        """The person of a parked submission: what the first step made. Raises: Unavailable."""
        step = person_step(record)
        try:
            return self._persons.resolve([step])[step.digest] if step is not None else None
        except VaultUnavailable as error:
            raise Unavailable("vault") from error

    def erased(self, digest: str) -> bool:
        """Whether a body that can't be opened was erased with its person. Raises: Unavailable."""
        try:
            return self._evidence.kept(digest)
        except VaultUnavailable as error:
            raise Unavailable("vault") from error

    def body(self, digest: str) -> bytes | None:
        """The body of a parked submission. Raises: Unavailable."""
        try:
            return self._evidence.open(digest)
        except VaultUnavailable as error:
            raise Unavailable("vault") from error


def person_step(record: Attributed | Unattributable) -> PersonStep | None:
    """What the vault needs of a submission that names a person, or None."""
    if isinstance(record, Unattributable) or not isinstance(record.judged, Checked):
        return None
    digest = record.incoming.origin.digest
    match record.judged.document.data:
        case EnrolTrainee(trainee=trainee, groups=groups):
            codes = tuple(group.group for group in groups)
            return _step(digest, trainee, codes)
        case RegisterCandidate(trainee=trainee):
            return _step(digest, trainee, ())
        case _:
            return None


def _step(digest: str, trainee: Trainee, groups: tuple[str, ...]) -> PersonStep:
    return PersonStep(
        digest=digest, national_id=trainee.national_id, name=trainee.name, phone=trainee.phone, groups=groups
    )


def _rows(
    records: Sequence[Attributed | Unattributable], persons: Mapping[str, ResolvedPerson]
) -> list[tuple[str, bytes, str | None]]:
    rows: dict[str, tuple[str, bytes, str | None]] = {}
    for record in records:
        incoming: Incoming = record.incoming
        person = persons.get(incoming.origin.digest)
        rows[incoming.origin.digest] = (
            incoming.origin.digest,
            incoming.value,
            person.person_id if person else None,
        )
    return list(rows.values())
