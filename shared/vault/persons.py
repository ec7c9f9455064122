"""Persons: from an ID number to a random id, once and for ever, whoever asks first."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from shared.vault.database import among, insert_new
from shared.vault.sealing import SealingKey, commitment, new_salt
from shared.vault.tables import commitments, persons, sealed_values, steps
from shared.vault.vault import Vault

NAME, NATIONAL_ID, PHONE = "name", "national_id", "phone"
_PERSON_INDEX = "person"
_PERSONS = select(persons.c.blind_index, persons.c.person_id).where(among(persons.c.blind_index, "indexes"))
_OUTCOMES = (
    select(steps.c.digest, steps.c.person_id, commitments.c.field, commitments.c.commitment)
    .outerjoin(commitments, commitments.c.digest == steps.c.digest)
    .where(among(steps.c.digest, "digests"))
)


@dataclass(frozen=True, slots=True)
class PersonStep:
    """One checked submission that names a person: the vault's step of it, done once.

    Attributes:
        digest: SHA-256 of the submission, hex: the step's key.
        national_id: with a right check digit.
        phone: "" where there is none.
        groups: codes of the groups claimed, each to be committed to.
    """

    digest: str
    national_id: str = field(repr=False)
    name: str = field(repr=False)
    phone: str = field(repr=False, default="")
    groups: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class ResolvedPerson:
    """What the vault made of a submission's one person, before any decision.

    Attributes:
        person_id: random, the same for the same ID number for ever.
        commitments: by group code: HMAC-SHA256(salt, code) as hex; value and salt lie in the vault.
    """

    person_id: str
    commitments: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A step with its person's blind index."""

    index: bytes
    step: PersonStep


class PersonVault:
    """Resolves persons. Needs the grants of `vault_enrolment` or `vault_certification`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def resolve(self, batch: Sequence[PersonStep]) -> dict[str, ResolvedPerson]:
        """Give every submission's person an id and its groups commitments, in one transaction.

        A submission resolved before gets what it got then. Rows are inserted in the order of blind index and
        digest, so that two services at it wait for each other, never in a circle. A person's values stay as
        first submitted: services can't alter what another one sealed; what differs lies in the evidence. A
        person erased and now enrolling anew keeps the id and gets a new data key.

        Returns:
            By submission digest.

        Raises:
            VaultUnavailable: nothing has happened; do it again.
            VaultForbidden, VaultFault
        """
        wanted = {step.digest: step for step in batch}
        if not wanted:
            return {}
        with self._vault.begin() as connection:
            done = _outcomes(connection, wanted)
        fresh = [step for digest, step in wanted.items() if digest not in done]
        if not fresh:
            return done
        indexed = self._in_order(fresh)
        with self._vault.begin() as connection:
            self._take(connection, indexed)
            return done | _outcomes(connection, {step.digest: step for step in fresh})

    def person_by_national_id(self, number: str) -> str | None:
        """The person of an ID number, or None where nobody was ever resolved by it."""
        index = self._vault.known_blind_index(_PERSON_INDEX)
        if index is None:
            return None
        with self._vault.begin() as connection:
            row = connection.execute(_PERSONS, {"indexes": [index.of(_normal(number))]}).one_or_none()
        return None if row is None else row.person_id

    def _in_order(self, fresh: Sequence[PersonStep]) -> list[_Indexed]:
        index = self._vault.blind_index(_PERSON_INDEX)
        indexed = [_Indexed(index.of(_normal(step.national_id)), step) for step in fresh]
        return sorted(indexed, key=lambda one: (one.index, one.step.digest))

    def _take(self, connection: Connection, indexed: Sequence[_Indexed]) -> None:
        ids = self._persons(connection, list(dict.fromkeys(one.index for one in indexed)))
        rows = [{"digest": one.step.digest, "person_id": ids[one.index]} for one in indexed]
        won = insert_new(connection, steps, rows)
        mine = [(ids[one.index], one.step) for one in indexed if one.step.digest in won]
        keys = self._vault.data_keys(connection, {person for person, _ in mine})
        missing = list(dict.fromkeys(person for person, _ in mine if person not in keys))
        if missing:
            self._vault.make_data_keys(connection, missing)
            keys |= self._vault.data_keys(connection, missing)
        values = [row for person, step in mine for row in _value_rows(keys[person], person, step)]
        insert_new(connection, sealed_values, values)
        insert_new(
            connection,
            commitments,
            [row for person, step in mine for row in _commitment_rows(keys[person], person, step)],
        )

    def _persons(self, connection: Connection, indexes: Sequence[bytes]) -> dict[bytes, str]:
        """Inserts whom nobody knows yet, then reads them all: a rival's insert may have come first."""
        insert_new(
            connection,
            persons,
            [{"person_id": str(uuid.uuid4()), "blind_index": index} for index in indexes],
        )
        rows = connection.execute(_PERSONS, {"indexes": list(indexes)})
        return {row.blind_index: row.person_id for row in rows}


def _normal(number: str) -> str:
    return number.strip().upper()


def _value_rows(key: SealingKey, person: str, step: PersonStep) -> Iterator[dict[str, object]]:
    values = {NAME: step.name, NATIONAL_ID: _normal(step.national_id), PHONE: step.phone}
    for name, value in values.items():
        if value:
            yield {"person_id": person, "field": name, "sealed": key.seal(value.encode(), person, name)}


def _group_fields(step: PersonStep) -> dict[str, str]:
    """By code, the field that its commitment stands under. A place, not the code: that would betray it."""
    return {code: f"group/{place}" for place, code in enumerate(dict.fromkeys(step.groups))}


def _commitment_rows(key: SealingKey, person: str, step: PersonStep) -> Iterator[dict[str, object]]:
    for code, place in _group_fields(step).items():
        salt = new_salt()
        yield {
            "digest": step.digest,
            "field": place,
            "commitment": commitment(salt, code),
            "sealed": key.seal(salt + code.encode(), person, commitment_field(step.digest, place)),
        }


def commitment_field(digest: str, place: str) -> str:
    """The associated field of a commitment's sealed salt and value."""
    return f"commitment/{digest}/{place}"


def _outcomes(connection: Connection, wanted: Mapping[str, PersonStep]) -> dict[str, ResolvedPerson]:
    """What stands of these. The same digest is the same submission, so its groups stand in the same places."""
    people: dict[str, str] = {}
    stored: dict[tuple[str, str], str] = {}
    for digest, person, place, committed in connection.execute(_OUTCOMES, {"digests": list(wanted)}):
        people[digest] = person
        if place is not None:
            stored[digest, place] = committed
    return {
        digest: ResolvedPerson(
            person,
            {code: stored[digest, place] for code, place in _group_fields(wanted[digest]).items()},
        )
        for digest, person in people.items()
    }
