"""A read model folded anew beside the live one: same tables, in a schema of their own that nobody reads."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import NamedTuple, Self

from sqlalchemy import Connection, Engine, MetaData, NullPool, Table, create_engine, func, select, text
from sqlalchemy.schema import (
    CreateIndex,
    CreateSchema,
    CreateTable,
    DropSchema,
    SetColumnComment,
    SetTableComment,
)

from shared.eventstore.projection import Projected, Projection, Source

PAGE = 5_000
"""Facts a transaction: large ones fold faster, and must fit the memory of a process."""


class Busy(RuntimeError):
    """Another rebuild or verification of the same read model is under way."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} 正在重建或核验：请等它结束后再试 / "
            f"{name} is being rebuilt or verified: wait for its end, then try again"
        )


class Step(NamedTuple):
    """How far the folding is: facts folded, facts to fold, seconds since it began."""

    folded: int
    end: int
    seconds: float


Progress = Callable[[Step], None]


def silent(_step: Step) -> None:
    """Shows nothing."""


def schema_of(projection: Projection) -> str:
    """The schema in which a projection is folded anew."""
    return f"rebuild_{projection.name}"


def lock_key(consumer: str) -> int:
    """The advisory lock of whoever folds a projection anew."""
    name = f"{consumer}.rebuild".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


class Scratch:
    """The new tables of one projection, held by one process at a time. Use it as a context.

    Every fold commits by itself and nothing waits for the disk: what a crash leaves is dropped by the next. One
    connection folds and holds the lock, so that a killed holder frees both at once.

    Attributes:
        live: the schema of the live tables.
        schema: that of the new tables; the only one in which `connection` looks for bare names.
        connection: no transaction is open on it between calls.
        folded: the cursor of the new tables.
    """

    def __init__(self, engine: Engine, source: Source, projection: Projection, progress: Progress) -> None:
        """Nothing is made before the context is entered.

        Args:
            engine: of the database.
            source: of the facts.
            projection: which.
            progress: is told after each page.
        """
        self.projection = projection
        self.source = source
        self.schema = schema_of(projection)
        self.folded = 0
        self._reading = engine
        self._progress = progress
        self._began = time.monotonic()
        self._engine = _folding(engine, self.schema)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Takes the lock and makes the tables, without the indexes that only readers need. Raises: Busy."""
        with ExitStack() as stack:
            self.connection = stack.enter_context(self._engine.connect())
            self._take_lock()
            with self._reading.connect() as connection:
                self.live = str(connection.scalar(select(func.current_schema())))
            with self.connection.begin():
                self._drop()
                self.connection.execute(CreateSchema(self.schema))
                for table in self.tables(self.schema):
                    self.connection.execute(CreateTable(table))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            if (
                not self.connection.invalidated
            ):  # With a lost connection the lock is lost: it may be another's now.
                with self.connection.begin():
                    self._drop()

    def _take_lock(self) -> None:
        consumer = self.source.key(self.projection.name).consumer
        with self.connection.begin():
            taken = self.connection.scalar(select(func.pg_try_advisory_lock(lock_key(consumer))))
        if not taken:
            raise Busy(consumer)

    def _drop(self) -> None:
        self.connection.execute(DropSchema(self.schema, cascade=True, if_exists=True))

    def tables(self, schema: str) -> Sequence[Table]:
        """The projection's tables as they stand in a schema."""
        metadata = MetaData()
        return [table.to_metadata(metadata, schema=schema) for table in self.projection.tables]

    def end(self) -> int:
        """How much there is to fold now."""
        with self._reading.connect() as connection:
            return self.source.end(connection)

    def fold_to(self, end: int) -> None:
        """Folds up to a cursor, each page in a transaction of its own, the next one read meanwhile."""
        for until, page in self._pages(self.folded, end):
            if page:
                with self.connection.begin():
                    self.projection.fold(self.connection, page)
            self.folded = until
            self._progress(Step(until, end, time.monotonic() - self._began))

    def fold_rest(self, end: int) -> None:
        """Folds up to a cursor in the caller's transaction; `folded` stays, for that may fail."""
        look_at(self.connection, self.schema)
        for _, page in self._pages(self.folded, end):
            if page:
                self.projection.fold(self.connection, page)
        look_at(self.connection, self.live)

    def _pages(self, after: int, end: int) -> Iterator[tuple[int, Sequence[Projected]]]:
        bounds = [(first, min(first + PAGE, end)) for first in range(after, end, PAGE)]
        with ThreadPoolExecutor(1) as ahead:
            pending = [ahead.submit(self._page, *each) for each in bounds[:1]]
            for number, (_, until) in enumerate(bounds):
                page = pending.pop().result()
                pending = [ahead.submit(self._page, *each) for each in bounds[number + 1 : number + 2]]
                yield until, page

    def _page(self, after: int, until: int) -> Sequence[Projected]:
        with self._reading.connect() as connection:
            return self.source.page(connection, [self.projection], after, until)

    def finish(self) -> None:
        """Makes the indexes, the comments, and the statistics of what rows are sought by.

        Those of the other columns are autovacuum's: to reckon all of them here costs more than to write the rows.
        """
        with self.connection.begin():
            for table in self.tables(self.schema):
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    self.connection.execute(CreateIndex(index))
                if table.comment:
                    self.connection.execute(SetTableComment(table))
                for column in table.columns:
                    if column.comment:
                        self.connection.execute(SetColumnComment(column))
                self.connection.execute(text(f'ANALYZE "{self.schema}"."{table.name}" ({_sought(table)})'))


def _sought(table: Table) -> str:
    indexed = (column for index in table.indexes for column in index.columns)
    names = dict.fromkeys(column.name for column in (*table.primary_key.columns, *indexed))
    return ", ".join(f'"{name}"' for name in names)


def look_at(connection: Connection, schema: str) -> None:
    """What bare names mean until the transaction ends."""
    connection.execute(select(func.set_config("search_path", schema, True)))


def _folding(engine: Engine, schema: str) -> Engine:
    options = f"-c search_path={schema} -c synchronous_commit=off -c jit=off"
    return create_engine(
        engine.url,
        poolclass=NullPool,
        isolation_level="READ COMMITTED",
        connect_args={"options": options},
    )
