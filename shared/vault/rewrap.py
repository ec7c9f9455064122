"""Change of the master key: every key is wrapped anew; nothing sealed is touched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, Table, select, update

from shared.vault.database import transaction
from shared.vault.tables import data_keys, service_keys
from shared.vault.wrapping import KeyWrapper, WrappedKey

CHUNK = 500


def rewrap(engine: Engine, wrapper: KeyWrapper) -> int:
    """Wrap under the current master key whatever another one wraps; gives how many keys that were.

    Runs beside the services, in short transactions, and may be broken off and begun again. Needs the
    database's owner; the services must already know the new master key.

    Raises:
        UnknownMasterKey: the wrapper lacks a master key that is still in use.
        VaultUnavailable, VaultForbidden, VaultFault, SealBroken
    """
    return sum(_rewrap_table(engine, wrapper, table) for table in (service_keys, data_keys))


def _rewrap_table(engine: Engine, wrapper: KeyWrapper, table: Table) -> int:
    owner = next(iter(table.primary_key.columns))
    query = select(table).where(table.c.key_id != wrapper.current).order_by(owner).limit(CHUNK)
    total, last = 0, None
    while True:
        with transaction(engine) as connection:
            rows = connection.execute(query if last is None else query.where(owner > last)).all()
            for row in rows:
                total += _rewrap_row(
                    connection, wrapper, table, (row[0], WrappedKey(row.key_id, row.wrapped))
                )
        if len(rows) < CHUNK:
            return total
        last = rows[-1][0]


def _rewrap_row(
    connection: Connection, wrapper: KeyWrapper, table: Table, found: tuple[Any, WrappedKey]
) -> int:
    """Changes the row only as it was read: one erased and drawn anew in between keeps its own key."""
    owner, old = found
    new = wrapper.wrap(wrapper.unwrap(old, owner), owner)
    column = next(iter(table.primary_key.columns))
    change = update(table).where(column == owner, table.c.wrapped == old.wrapped)
    return connection.execute(change.values(key_id=new.key_id, wrapped=new.wrapped)).rowcount
