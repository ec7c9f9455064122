"""The vault's database: engine, one transaction a call, and errors that carry no value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    any_,
    bindparam,
    create_engine,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.dml import ReturningInsert

from shared.arrays import quick_lists
from shared.pool import noticing_cut
from shared.vault.errors import VaultError, VaultFault, VaultForbidden, VaultUnavailable

_FORBIDDEN = "42501"
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server that vanished without a word is noticed after some 20 s."""
_CUSTOM_PLANS = "-c plan_cache_mode=force_custom_plan"
"""A plan that was kept from the time when a table was small reads the whole of a large one."""
_RETRYABLE = (OperationalError, InterfaceError, InternalError, IntegrityError, PoolTimeout)


def make_engine(url: str, *, pool_size: int = 4) -> Engine:
    """An engine for `Vault`. Statements' parameters never show in errors or logs.

    Bounds on waiting (`lock_timeout`, `idle_in_transaction_session_timeout`) are set on the roles.
    """
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=pool_size,
        max_overflow=4,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"options": _CUSTOM_PLANS, **_PATIENCE},
    )
    return noticing_cut(quick_lists(engine))


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction on a connection of its own.

    Raises:
        VaultUnavailable, VaultForbidden, VaultFault: instead of the driver's errors, whose texts quote rows.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _without_values(error) from None


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection outside any transaction, for what can't run inside one. Raises: see `transaction`."""
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _without_values(error) from None


def _without_values(error: SQLAlchemyError) -> VaultError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind, state = type(cause).__name__, getattr(cause, "sqlstate", None)
    if state == _FORBIDDEN:
        return VaultForbidden("保险库：本角色无此权限 / vault: this role has no grant for it")
    if isinstance(error, _RETRYABLE):
        return VaultUnavailable(f"保险库暂不可用 / vault unavailable: {kind} {state or ''}".rstrip())
    return VaultFault(f"保险库故障 / vault fault: {kind} {state or ''}".rstrip())


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert those rows that aren't there yet, in the order given, by one statement.

    The order is what keeps two transactions from waiting for each other in a circle.

    Returns:
        The first primary-key column's values of the rows inserted. A row that another transaction is just
        inserting is waited for, and not inserted if that one commits.
    """
    if not rows:
        return set()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return set(connection.execute(_insert_statement(table, tuple(columns)), columns).scalars())


@cache
def _insert_statement(table: Table, names: tuple[str, ...]) -> ReturningInsert[Any]:
    arrays = (bindparam(name, type_=ARRAY(table.c[name].type)) for name in names)
    source = select(*(func.unnest(array).label(name) for name, array in zip(names, arrays, strict=True)))
    key = next(iter(table.primary_key.columns))
    return insert(table).from_select(list(names), source).on_conflict_do_nothing().returning(key)


def among(column: Column[Any], name: str) -> ColumnElement[bool]:
    """That the column's value is one of the list given as the parameter `name`, in one array parameter."""
    return column == any_(bindparam(name, type_=ARRAY(column.type)))
