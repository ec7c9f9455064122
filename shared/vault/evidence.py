"""Raw submissions, kept sealed as evidence: readable while their person is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from shared.vault.database import insert_new
from shared.vault.errors import KeyGone
from shared.vault.sealing import SealingKey
from shared.vault.tables import evidence
from shared.vault.vault import Vault

EvidenceRow = tuple[str, bytes, str | None]
"""SHA-256 of the body in hex, the body, and the person whom it names; None where none is resolvable."""


class Evidence:
    """The evidence of one service. The same bytes sent to two services are evidence of both."""

    def __init__(self, vault: Vault, service: str) -> None:
        self._vault = vault
        self._service = service

    def seal(self, rows: Sequence[EvidenceRow]) -> None:
        """Keep the bodies; one that is kept already stays as it is.

        The body of a person erased since it was resolved isn't kept, only that it came.

        Raises:
            VaultUnavailable: nothing has happened; do it again.
            VaultForbidden, VaultFault
        """
        own = self._own_key() if any(person is None for _, _, person in rows) else None
        with self._vault.begin() as connection:
            named = sorted({person for _, _, person in rows if person is not None})
            keys = self._vault.data_keys(connection, named)
            insert_new(
                connection,
                evidence,
                [
                    self._row(row, own if row[2] is None else keys.get(row[2]))
                    for row in sorted(rows, key=lambda row: row[0])
                ],
            )

    def open(self, digest: str) -> bytes | None:
        """A submission's raw body; None where none was kept or its person is erased.

        Raises:
            VaultUnavailable, VaultForbidden, VaultFault
            SealBroken: the database was altered behind our back.
        """
        query = select(evidence.c.person_id, evidence.c.sealed).where(
            evidence.c.service == self._service, evidence.c.digest == digest
        )
        with self._vault.begin() as connection:
            row = connection.execute(query).one_or_none()
            if row is None or row.sealed is None:
                return None
            person: str | None = row.person_id
            key = None if person is None else self._vault.data_keys(connection, [person]).get(person)
        if person is None:
            return self._own_key().open(row.sealed, self._service, _field(digest))
        if key is None:
            return None
        try:
            return key.open(row.sealed, person, _field(digest))
        except KeyGone:  # sealed before an erasure, after which the person enrolled anew
            return None

    def _own_key(self) -> SealingKey:
        return self._vault.sealing_key(f"evidence/{self._service}")

    def _row(self, row: EvidenceRow, key: SealingKey | None) -> dict[str, object]:
        digest, body, person = row
        sealed = None if key is None else key.seal(body, person or self._service, _field(digest))
        return {"service": self._service, "digest": digest, "person_id": person, "sealed": sealed}


def _field(digest: str) -> str:
    return f"evidence/{digest}"
