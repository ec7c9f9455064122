"""Read models from the ledger: the same rows whatever the order of topics, the pages, or how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, select

from services.audit.api.case import facts_about
from services.audit.ledger import reading
from services.audit.ledger.worker import LedgerWorker
from services.audit.projections import claims, projector, responsibility
from services.audit.projections.catalogue import PROJECTIONS
from services.audit.projections.progress_by_region import progress, progress_by_region
from services.audit.projections.progress_by_region import projection as counted
from services.audit.projections.projector import LedgerFacts
from shared.contracts.fact import header
from shared.contracts.payment import SubsidyPaid
from shared.eventstore.projector import Projector
from shared.eventstore.rebuild import rebuild
from shared.eventstore.tables import positions
from tests.component.audit.story import (
    AMOUNT,
    BATCH,
    BOOK,
    CLAIM,
    REGION,
    SECOND_CLAIM,
    Record,
    Story,
    batches,
    paid_claim,
    partition,
    topics_in_order,
)
from tests.deciding import decide

Ledgered = Callable[[Iterable[Sequence[Record]]], None]


def _project(one: Projector) -> int:
    moved = 0
    while step := one.project_some():
        moved += step
    return moved


def _begin_again(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(positions).where(positions.c.consumer.startswith("audit.projections.")))
        for projection in PROJECTIONS:
            for table in projection.tables:
                connection.execute(delete(table))


def _rows(engine: Engine) -> dict[str, list[Any]]:
    found = {}
    with engine.connect() as connection:
        for projection in PROJECTIONS:
            for table in projection.tables:
                query = select(table).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in connection.execute(query)]
    return found


def test_a_paid_claim_shows_its_state_and_its_region(
    engine: Engine, ledgered: Ledgered, projector: Projector
) -> None:
    """平潭 stands apart from 福州, the total is the sum of the rows, a claim refused by the rule counts as refused."""
    ledgered(batches(paid_claim().kafka, 1, 5))
    _project(projector)
    with engine.connect() as connection:
        paid = claims.claim(connection, CLAIM)
        refused = claims.claim(connection, SECOND_CLAIM)
        table = progress(connection, BOOK, 2024)
    assert paid is not None
    assert (paid["state"], paid["approved_fen"], paid["paid_fen"]) == ("PAID", AMOUNT, AMOUNT)
    assert refused is not None
    assert (refused["state"], refused["codes"]) == ("REFUSED", "entitlement.already_used")
    rows = {row["region"]: row for row in table["regions"]}
    expected = {"enrolled": 1, "completed": 1, "certified": 1, "claimed": 1, "refused": 1, "paid": 1}
    assert {name: rows[REGION][name] for name in expected} == expected
    assert rows[REGION]["paid_fen"] == AMOUNT > 0
    assert rows["350100"]["paid"] == 0
    for name in ("target", *expected, "paid_fen"):
        assert table["total"][name] == sum(row[name] for row in table["regions"])
    assert table["total"]["target"] == BOOK.targets(2024).total
    assert table["as_of"] == len(paid_claim().facts)


@pytest.mark.parametrize("services", [("payment", "certification", "enrolment", "audit"), None])
def test_the_order_of_topics_means_nothing(
    engine: Engine, ledgered: Ledgered, projector: Projector, services: tuple[str, ...] | None
) -> None:
    """A payment may be ledgered before the enrolment that it rests on: the answers are the same."""
    story = paid_claim()
    mixed = topics_in_order(story.kafka, services) if services else batches(story.kafka, 3, 1)
    ledgered(mixed)
    _project(projector)
    with engine.connect() as connection:
        history = facts_about(connection, CLAIM, before=500, limit=500)
        chain = responsibility.chain(connection, CLAIM, 500)
        row = claims.claim(connection, CLAIM)
        table = progress(connection, BOOK, 2024)
    # All but the registrations, the second claim with its refusals on claim and account.
    assert {found["fact_id"] for found in history} == {fact.id for fact in _of_the_claim(story)}
    assert [(link["role"], link["duty"], link["actor"]["id"]) for link in chain][:3] == [
        ("USED", "D2", "91350100MA2Y00001H"),
        ("ATTESTED", "D1", "91350100MA2Y00001H"),
        ("ATTESTED", "D5", "52350100MA2Y00002M"),
    ]
    assert row is not None
    assert row["state"] == "PAID"
    assert table["total"]["paid_fen"] == AMOUNT


def _of_the_claim(story: Story) -> list[Any]:
    return [
        fact
        for fact in story.facts
        if fact.stream != SECOND_CLAIM
        and "InstitutionRegistered" not in fact.type
        and "EntitlementRefused" not in fact.type
    ]


def test_the_chain_names_everyone_with_duty_and_facts(
    engine: Engine, ledgered: Ledgered, projector: Projector
) -> None:
    """谁使用、谁负责: used, attested, claimed, checked, approved, paid; in that order, then by duty."""
    ledgered(batches(paid_claim().kafka, 4, 7))
    _project(projector)
    with engine.connect() as connection:
        chain = responsibility.chain(connection, CLAIM, 500)
    found = [(link["role"], link["duty"], link["actor"]["kind"], len(link["facts"])) for link in chain]
    assert found == [
        ("USED", "D2", "institution", 1),
        ("ATTESTED", "D1", "institution", 5),
        ("ATTESTED", "D5", "institution", 2),
        ("ATTESTED", "D6", "institution", 2),
        ("CLAIMED", "D7", "institution", 1),
        ("CHECKED", "D3", "handler", 1),
        ("CHECKED", "D8", "handler", 1),
        ("CHECKED", "D9", "handler", 1),
        ("CHECKED", "D10", "handler", 1),
        ("CHECKED", "D11", "handler", 1),
        ("APPROVED", "D12", "handler", 1),
        ("PAID", "D14", "handler", 1),
        ("PAID", "D15", "bank", 1),
    ]


def test_a_rebuilt_read_model_equals_the_live_one(
    engine: Engine, ledgered: Ledgered, facts: LedgerFacts, projector: Projector
) -> None:
    """Of the whole ledger, though the live one had half of it; then it is up to date."""
    story = paid_claim()
    cut = batches(story.kafka, 5, 3)
    ledgered(cut[: len(cut) // 2])
    _project(projector)
    ledgered(cut[len(cut) // 2 :])
    for projection in PROJECTIONS:
        assert rebuild(engine, facts, projection).facts == len(story.facts)
    assert set(projector.behind().values()) == {0}
    rebuilt = _rows(engine)
    assert all(rebuilt.values())
    _begin_again(engine)
    assert set(projector.behind().values()) == {len(story.facts)}
    _project(projector)
    assert _rows(engine) == rebuilt


def test_pages_of_any_size_give_the_same_rows(
    engine: Engine, ledgered: Ledgered, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim's facts may lie in different pages, and come while projecting."""
    cut = batches(paid_claim().kafka, 6, 2)
    ledgered(cut)
    _project(projector)
    before = _rows(engine)
    _begin_again(engine)
    monkeypatch.setattr("shared.eventstore.projector.PAGE", 1)
    _project(projector)
    assert _rows(engine) == before


class _AtOnce:
    """The ledger, for two projectors that meet between reading their cursor and moving it."""

    def __init__(self) -> None:
        self._barrier = Barrier(2)

    def ledger_size(self, connection: Connection) -> int:
        self._barrier.wait(10)
        return reading.ledger_size(connection)

    def page(
        self, connection: Connection, first: int, limit: int, types: Sequence[str] | None
    ) -> Sequence[reading.Logged]:
        return reading.page(connection, first, limit, types)


def test_two_projectors_fold_a_page_once(engine: Engine, ledgered: Ledgered, projector: Projector) -> None:
    """Both have read the same cursor: its compare-and-set lets one of them through, nothing is counted twice."""
    assert projector.project_some() == 0
    ledgered(batches(paid_claim().kafka, 7, 4))
    source = _AtOnce()
    with ThreadPoolExecutor(2) as pool:
        pair = [Projector(engine, LedgerFacts(source), [counted]) for _ in range(2)]
        moved = [future.result(30) for future in [pool.submit(one.project_some) for one in pair]]
    assert moved == [len(paid_claim().facts)] * 2, "the one that came second looks again"
    assert Projector(engine, LedgerFacts(reading), [counted]).project_some() == 0
    with engine.connect() as connection:
        table = connection.execute(select(progress_by_region)).mappings().one()
    assert (table["enrolled"], table["paid"], table["paid_fen"]) == (1, 1, AMOUNT)


def test_bytes_that_are_no_fact_are_passed_over_and_counted(
    engine: Engine, ledgered: Ledgered, facts: LedgerFacts, projector: Projector
) -> None:
    """They are leaves all the same, and hold nothing up."""
    story = paid_claim()
    broken = next(fact for fact in story.facts if isinstance(fact.data, SubsidyPaid))
    for value in (b"\xff\xfe", broken.state.replace(b'"amount_fen":', b'"amount":'), b'{"id":"\\u0000"}'):
        story.kafka.send("payment", 0, value, broken.type)
    story.kafka.send("audit", 1, broken.state.replace(b"SubsidyPaid.v1", b"SubsidyPaid.v9"))
    story.kafka.send("audit", 1, broken.state.replace(BATCH.encode(), b"\\u0000"))
    zone = broken.state.index(b'"occurredat":"') + len('"occurredat":"2024-05-14T09:00:00')
    story.kafka.send("audit", 1, broken.state[:zone] + broken.state[broken.state.index(b'"', zone) :])
    version = b'"streamversion":%d,' % header(broken.state).streamversion
    story.kafka.send("audit", 1, broken.state.replace(version, b'"streamversion":%d,' % (1 << 63)))
    ledgered(batches(story.kafka, 9, 6))
    _project(projector)
    assert set(projector.behind().values()) == {0}
    with engine.connect() as connection:
        table = connection.execute(select(progress_by_region)).mappings().one()
        told = facts_about(connection, CLAIM, before=500, limit=500)
    assert table["paid_fen"] == AMOUNT
    # Without its amount, NUL, no zone, no such version; the others name no type that is read.
    assert facts.passed_over == 4
    # What has an envelope is told of its claim, whatever else it says: all of these but the one without a zone.
    assert len(told) == len(_of_the_claim(story)) + 4


def test_the_worker_and_the_projector_may_run_at_once(
    engine: Engine, worker: Callable[[], LedgerWorker]
) -> None:
    """A page ends at what is committed; the rest comes with the next."""
    one, fold = worker(), Projector(engine, LedgerFacts(reading), PROJECTIONS)
    story = paid_claim()
    for batch in batches(story.kafka, 10, 4):
        decide(one, partition(batch[0]), batch)
        fold.project_some()
    _project(fold)
    with engine.connect() as connection:
        assert projector.as_of(connection, "claims") == len(story.facts)
        row = claims.claim(connection, CLAIM)
    assert row is not None
    assert row["state"] == "PAID"
