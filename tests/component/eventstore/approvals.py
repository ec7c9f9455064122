"""A read model for tests: two tables, one of them counted by plain SQL, so that a fact folded twice would show."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, Table, Text, text

from shared.contracts.enrolment import ClassApproved
from shared.eventstore.projection import Projected, Projection
from shared.eventstore.projector import OwnFacts
from shared.eventstore.rebuild import rebuild
from shared.eventstore.scratch import Step
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.upsert import write_once

metadata = MetaData()

approvals = Table(
    "approvals",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("class_id", Text, nullable=False),
    Column("note", Text),
    Index("approvals_class_idx", "class_id"),
)

approvals_count = Table(
    "approvals_count",
    metadata,
    Column("what", Text, primary_key=True),
    Column("facts", BigInteger, nullable=False),
)


def fold(connection: Connection, page: Sequence[Projected]) -> None:
    rows = [
        {"position": one.position, "class_id": one.fact.data.class_id, "note": one.fact.data.decision_jws}
        for one in page
    ]
    write_once(connection, approvals, rows)
    connection.execute(
        text(
            "INSERT INTO approvals_count VALUES ('approved', :n) "
            "ON CONFLICT (what) DO UPDATE SET facts = approvals_count.facts + excluded.facts"
        ),
        {"n": len(page)},
    )


projection = Projection("approvals", (approvals, approvals_count), (ClassApproved,), fold)


def rebuild_until_killed(url: str, pipe: Pipe) -> None:
    """In a process of its own: tells after the first page, then waits for ever inside the rebuild."""

    def hold(_step: Step) -> None:
        pipe.send("half-way")
        pipe.recv()

    engine = make_engine(url)
    rebuild(engine, OwnFacts("enrolment", SqlStore(engine)), projection, hold)
