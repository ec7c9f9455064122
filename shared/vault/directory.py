"""The directory of handlers (经办人员): who they are, which post they hold, which duties they have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from shared.vault.tables import directory
from shared.vault.vault import Vault

_KEY = "directory"
_FIELD = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A handler.

    Attributes:
        handler_id: the subject of their tokens.
        post: the office held (岗位).
        organisation: the body they act for.
        duties: codes of the duty matrix.
        active: whether they may act now; names of former handlers stay readable.
    """

    handler_id: str
    name: str = field(repr=False)
    post: str
    organisation: str
    duties: tuple[str, ...]
    active: bool = True


class Directory:
    """Reads need the grants of `vault_audit` or `vault_issuer`; only the database's owner writes."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def upsert(self, handlers: Sequence[Handler]) -> None:
        """Enter these handlers, or put them in the place of what is known of them.

        Raises:
            VaultUnavailable: nothing has happened; do it again.
            VaultForbidden, VaultFault
        """
        if not handlers:
            return
        key = self._vault.sealing_key(_KEY)
        statement = insert(directory)
        columns = [c.name for c in directory.c if not c.primary_key]
        statement = statement.on_conflict_do_update(
            index_elements=[directory.c.handler_id],
            set_={name: statement.excluded[name] for name in columns},
        )
        rows = [
            {
                "handler_id": one.handler_id,
                "sealed_name": key.seal(one.name.encode(), one.handler_id, _FIELD),
                "post": one.post,
                "organisation": one.organisation,
                "duties": list(one.duties),
                "active": one.active,
            }
            for one in sorted(handlers, key=lambda one: one.handler_id)
        ]
        with self._vault.begin() as connection:
            connection.execute(statement, rows)

    def find(self, handler_ids: Collection[str]) -> dict[str, Handler]:
        """By handler id, former handlers too; unknown ones are missing.

        Raises:
            VaultUnavailable, VaultForbidden, VaultFault
            SealError: the database was altered behind our back.
        """
        key = self._vault.known_sealing_key(_KEY)
        if key is None or not handler_ids:
            return {}
        with self._vault.begin() as connection:
            query = select(directory).where(directory.c.handler_id.in_(handler_ids))
            rows = connection.execute(query).all()
        return {
            row.handler_id: Handler(
                handler_id=row.handler_id,
                name=key.open(row.sealed_name, row.handler_id, _FIELD).decode(),
                post=row.post,
                organisation=row.organisation,
                duties=tuple(row.duties),
                active=row.active,
            )
            for row in rows
        }

    def duties(self, handler_id: str) -> tuple[str, ...]:
        """The duties of a handler now; none for an unknown or former one."""
        query = select(directory.c.duties).where(directory.c.handler_id == handler_id, directory.c.active)
        with self._vault.begin() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return tuple(found or ())
