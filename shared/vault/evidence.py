"""Raw submissions, kept sealed as evidence: readable while their person is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, LargeBinary, bindparam, select, text

from shared.vault.database import among, insert_new
from shared.vault.errors import KeyGone
from shared.vault.sealing import SealingKey
from shared.vault.tables import Id, evidence
from shared.vault.vault import Vault

_ATTRIBUTE = text("SELECT attribute_evidence(:service, :digest, :person, :sealed)").bindparams(
    bindparam("person", type_=Id()), bindparam("sealed", type_=LargeBinary())
)

EvidenceRow = tuple[str, bytes, str | None]
"""SHA-256 of the body in hex, the body, and the person whom it names; None where none is resolvable."""


class Evidence:
    """The evidence of one service. The same bytes sent to two services are evidence of both."""

    def __init__(self, vault: Vault, service: str) -> None:
        self._vault = vault
        self._service = service

    def seal(self, rows: Sequence[EvidenceRow]) -> None:
        """Keep the bodies; one that is kept already stays as it is.

        The body of a person erased since it was resolved isn't kept, only that it came. One that named nobody when
        it came, for want of its sender's key, is sealed anew under the person whom it turns out to name.

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
            self._attribute(connection, [row for row in rows if row[2] in keys], keys)

    def _attribute(
        self, connection: Connection, rows: Sequence[EvidenceRow], keys: Mapping[str, SealingKey]
    ) -> None:
        """Or the body would outlive its person's erasure under the service's key."""
        if not rows:
            return
        of_nobody = select(evidence.c.digest).where(
            evidence.c.service == self._service,
            among(evidence.c.digest, "digests"),
            evidence.c.person_id.is_(None),
        )
        found = set(connection.execute(of_nobody, {"digests": [row[0] for row in rows]}).scalars())
        for digest, body, person in sorted(row for row in rows if row[0] in found):
            assert person is not None
            sealed = keys[person].seal(body, person, _field(digest))
            connection.execute(
                _ATTRIBUTE, {"service": self._service, "digest": digest, "person": person, "sealed": sealed}
            )

    def kept(self, digest: str) -> bool:
        """Whether a body was kept at all, readable or not. Raises: as `open`."""
        query = select(evidence.c.digest).where(
            evidence.c.service == self._service, evidence.c.digest == digest
        )
        with self._vault.begin() as connection:
            return connection.execute(query).first() is not None

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
