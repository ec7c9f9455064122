"""Erasure of a person: the data key and everything sealed under it, then the file that the key lay in.

What stays is the blind index with the random id (the no-repeat rule), digests and commitments. WAL files and
backups hold wrapped keys until they are recycled: they open with the master key alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import bindparam, text

from shared.vault.errors import VaultFault, VaultUnavailable
from shared.vault.tables import Id
from shared.vault.vault import Vault

_ERASE = text(
    'SELECT data_keys, "values", commitments, submissions, accounts FROM erase_person(:person, :order_no)'
).bindparams(bindparam("person", type_=Id()))
_LEFT = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What one order deleted: the fields of `SubjectErased`."""

    data_keys: int
    values: int
    commitments: int
    submissions: int
    accounts: int


NOTHING = Erased(data_keys=0, values=0, commitments=0, submissions=0, accounts=0)


def erase(vault: Vault, person_id: str, order_no: int) -> Erased | None:
    """Deletes, in one transaction. The same order again deletes nothing and answers what it did then.

    So a repetition after a crash never touches what the person gave since, by a new enrolment. Needs the grants of
    `vault_enrolment`; call `shred_deleted_keys` afterwards.

    Returns:
        None where the vault knows no such person.

    Raises:
        VaultUnavailable: nothing has happened; do it again.
        VaultForbidden, VaultFault
    """
    with vault.begin() as connection:
        found = connection.execute(_ERASE, {"person": person_id, "order_no": order_no})
        row = found.mappings().one_or_none()
    return None if row is None else Erased(**row)


def is_known(vault: Vault, person_id: str) -> bool:
    """Whether the vault has such a person, erased or not. Raises: ValueError: no UUID; and as `erase`."""
    UUID(person_id)
    query = text("SELECT 1 FROM persons WHERE person_id = :person").bindparams(
        bindparam("person", type_=Id())
    )
    with vault.begin() as connection:
        return connection.execute(query, {"person": person_id}).first() is not None


def shred_deleted_keys(vault: Vault) -> None:
    """Rewrites the file of the wrapped keys without the deleted rows, whose bytes a plain VACUUM leaves in place.

    Locks that one table for as long as its rewrite takes, milliseconds for ten thousand persons.

    Raises:
        VaultUnavailable: a rival held the table, or an older transaction still sees a deleted row; do it again.
        VaultFault: the server doesn't tell what it left.
        VaultForbidden
    """
    details: list[str] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        details.append(diagnostic.message_detail or "")

    with vault.maintenance() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.add_notice_handler(note)
        try:
            connection.execute(text("VACUUM (FULL, VERBOSE) data_keys"))
        finally:
            driver.remove_notice_handler(note)
    left = [int(found.group()) for detail in details if (found := _LEFT.match(detail))]
    if not left:
        raise VaultFault("保险库未报告清理结果 / vault: VACUUM did not tell what it left")
    if any(left):
        raise VaultUnavailable("保险库中有旧事务，稍后再清理 / vault: an older transaction; shred again")
