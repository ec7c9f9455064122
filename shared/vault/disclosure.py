"""Disclosure of single committed values, to whoever may see them."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select

from shared.vault.errors import KeyGone
from shared.vault.persons import commitment_field
from shared.vault.sealing import SALT_BYTES
from shared.vault.tables import commitments, steps
from shared.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosed:
    """A committed value with what proves it: `HMAC-SHA256(salt, value)` is the commitment.

    Attributes:
        digest: of the submission that claimed the value.
    """

    digest: str
    commitment: str
    salt: bytes = field(repr=False)
    value: str = field(repr=False)


def disclose_groups(vault: Vault, person: str) -> list[Disclosed]:
    """Every group that was claimed for a person; none once the person is erased.

    Needs the grants of `vault_payment`.
    """
    query = (
        select(commitments)
        .join(steps, steps.c.digest == commitments.c.digest)
        .where(steps.c.person_id == person, commitments.c.sealed.is_not(None))
        .order_by(commitments.c.digest, commitments.c.field)
    )
    disclosed = []
    with vault.begin() as connection:
        key = vault.data_keys(connection, [person]).get(person)
        rows = [] if key is None else connection.execute(query).all()
    for row in rows:
        assert key is not None
        try:
            opened = key.open(row.sealed, person, commitment_field(row.digest, row.field))
        except KeyGone:  # claimed before an erasure, after which the person enrolled anew
            continue
        disclosed.append(
            Disclosed(
                digest=row.digest,
                commitment=row.commitment,
                salt=opened[:SALT_BYTES],
                value=opened[SALT_BYTES:].decode(),
            )
        )
    return disclosed
