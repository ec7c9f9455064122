"""Payment's read models on PostgreSQL, and the routes that answer from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import pytest
from psycopg.errors import UniqueViolation
from sqlalchemy import Engine, create_engine, select

from services.payment.projections import batches, claims_by_stage
from services.payment.projections.claims_by_stage import Awaiting, Wanted
from services.payment.projections.schema import metadata
from shared.contracts.submission import ConfirmPayments, PaymentLine
from shared.eventstore.projection import Projected, Projection
from shared.identity import derive_id
from tests.domain.payment import facts as f
from tests.domain.payment.conftest import World

PROJECTIONS = (claims_by_stage.projection, batches.projection)
ALL_DUTIES = ("D8", "D9", "D11", "D12", "D14")


@pytest.fixture
def engine(fresh_database: Callable[[], str]) -> Iterator[Engine]:
    """A database with the read models' tables."""
    engine = create_engine(fresh_database())
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: Engine) -> World:
    """Tuesday 2024-06-04, with read models that are brought up to date by `follow`."""
    world = World()
    world.engine = engine
    world.moves_to(f.CLAIM_DAY)
    world.learns(f.account_of(), f.registered())
    return world


def follow(world: World, *, page: int = 1000) -> None:
    """Folds what the event table holds beyond what was folded before."""
    facts = [Projected(position, fact) for position, fact in enumerate(world.all_facts(), 1)]
    facts, world.folded = facts[world.folded :], len(facts)
    for projection in PROJECTIONS:
        wanted = [one for one in facts if isinstance(one.fact.data, projection.reads)]
        for start in range(0, len(wanted), page):
            fold(world.engine, projection, wanted[start : start + page])


def fold(engine: Engine, projection: Projection, page: Sequence[Projected]) -> None:
    """One page in a transaction of its own."""
    with engine.begin() as connection:
        projection.fold(connection, page)


def tables(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Everything that the read models hold."""
    with engine.connect() as connection:
        return {
            table.name: [
                dict(row)
                for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
            ]
            for projection in PROJECTIONS
            for table in projection.tables
        }


async def filed(world: World, who: str, ref: str, occupation: str = "elder-carer") -> str:
    """A claim by a person on a certificate of June in Xiamen."""
    issued_on = date(2024, 6, 1)
    world.learns(*f.trained(who, ref=ref, issued_on=issued_on, occupation=occupation))
    account = {"number": "6222021234567890123", "holder": "李娜", "bank": "某某银行"}
    request = {
        "application_ref": f"SQ-{ref}",
        "certificate_id": f.certificate_of(ref),
        "account": account,
    }
    answer = await world.person(who).post("/claims", request)
    claim: str = answer.json()["claim_id"]
    return claim


async def a_whole_life(world: World) -> tuple[str, str, str, str]:
    """One claim paid, one refused by a rule, one refused by a handler, and the batch."""
    paid = await filed(world, f.LI_NA, "li")
    repeated = await filed(world, f.LI_NA, "li-again")
    refused = await filed(world, f.WANG_FANG, "wang")
    acceptor = world.handler(f.ACCEPTOR, "D8")
    await acceptor.decides("accept", paid)
    await acceptor.decides("refuse", refused, reasons=["review.evidence_insufficient"])
    await world.handler(f.REVIEWER, "D9").decides("first_review", paid)
    world.moves_to(date(2024, 6, 6))
    await world.handler(f.PUBLISHER, "D11").decides("publicise", paid)
    world.moves_to(date(2024, 6, 14))
    await world.handler(f.APPROVER, "D12").decides("approve", paid)
    order = {"region": f.XIAMEN, "bank": f.BANK, "claims": [paid]}
    batch = (await world.handler(f.PAYER, "D14").post("/payment-batches", order)).json()["batch_id"]
    line = PaymentLine(claim_id=paid, amount_fen=84000, result="PAID", code="", bank_ref="B-1")
    receipt = ConfirmPayments(batch_id=batch, paid_on=date(2024, 6, 14), lines=[line])
    world.decides(world.sent(receipt, by=f.BANK))
    return paid, repeated, refused, batch


async def test_each_claim_stands_where_its_facts_say(world: World) -> None:
    paid, repeated, refused, batch = await a_whole_life(world)
    follow(world)
    found = {row["claim_id"]: row for row in tables(world.engine)["claims_by_stage"]}
    row = found[paid]
    assert (row["stage"], row["computed_fen"], row["approved_fen"], row["paid_fen"]) == (
        "PAID",
        84000,
        84000,
        84000,
    )
    assert (row["opens_on"], row["closes_on"], row["batch_id"]) == (
        date(2024, 6, 6),
        date(2024, 6, 13),
        batch,
    )
    assert (found[repeated]["stage"], found[repeated]["codes"], found[repeated]["computed_fen"]) == (
        "REFUSED",
        "entitlement.already_used",
        0,
    )
    assert (found[refused]["stage"], found[refused]["codes"]) == ("REFUSED", "review.evidence_insufficient")
    acts = [row for row in tables(world.engine)["claims_by_stage_acts"] if row["claim_id"] == paid]
    assert [(act["step"], act["handler_id"]) for act in acts] == [
        ("CLAIM", ""),
        ("ACCEPT", f.ACCEPTOR),
        ("FIRST_REVIEW", f.REVIEWER),
        ("NOTICE", f.PUBLISHER),
        ("APPROVE", f.APPROVER),
        ("PAY", f.PAYER),
        ("BANK", ""),
    ]
    (one,) = tables(world.engine)["batches"]
    assert (one["total_fen"], one["paid_fen"], one["failed_fen"], one["payer"]) == (
        84000,
        84000,
        0,
        f"handler:{f.PAYER}",
    )
    assert one["reconciled_on"] == date(2024, 6, 14)


async def test_the_page_size_changes_nothing(world: World) -> None:
    await a_whole_life(world)
    follow(world)
    whole = tables(world.engine)
    metadata.drop_all(world.engine)
    metadata.create_all(world.engine)
    world.folded = 0
    follow(world, page=1)
    assert tables(world.engine) == whole


async def test_a_page_folded_twice_is_refused_and_changes_nothing(world: World) -> None:
    """The cursor, moved in the transaction that folds, keeps it from happening."""
    await a_whole_life(world)
    follow(world)
    whole = tables(world.engine)
    world.folded = 0
    with pytest.raises(UniqueViolation):
        follow(world)
    assert tables(world.engine) == whole


async def test_a_person_sees_their_own_claims_and_no_handlers_name(world: World) -> None:
    paid, repeated, refused, _ = await a_whole_life(world)
    follow(world)
    mine = world.person(f.LI_NA)
    listed = (await mine.get("/claims")).json()
    assert [row["claim_id"] for row in listed["items"]] == [paid, repeated]
    assert (await mine.get(f"/claims/{refused}")).status_code == 404
    detail = (await mine.get(f"/claims/{paid}")).json()
    assert {act["handler_id"] for act in detail["history"]} == {""}
    assert {act["actor"] for act in detail["history"]} == {""}
    assert (detail["stage"], detail["computed"], detail["marks"]) == ("PAID", "¥840.00", ["演示 / DEMO"])
    assert detail["trace"]["fen"] == 84000
    assert f.ACCEPTOR not in (await mine.get(f"/claims/{paid}")).text


async def test_a_handler_sees_all_claims_filtered_and_paged(world: World) -> None:
    paid, repeated, refused, _ = await a_whole_life(world)
    follow(world)
    handler = world.handler("h-9", "D9")
    listed = (await handler.get("/claims", limit=2)).json()
    assert [row["claim_id"] for row in listed["items"]] == [paid, repeated]
    rest = (await handler.get("/claims", limit=2, after=listed["next"])).json()
    assert ([row["claim_id"] for row in rest["items"]], rest["next"]) == ([refused], None)
    assert listed["as_of"] == rest["as_of"] > 0
    by_stage = (await handler.get("/claims", stage="REFUSED", region=f.XIAMEN, claimant=f.WANG_FANG)).json()
    assert [row["claim_id"] for row in by_stage["items"]] == [refused]
    assert (await handler.get("/claims", region=f.FUZHOU)).json()["items"] == []
    detail = (await handler.get(f"/claims/{paid}")).json()
    assert detail["history"][1]["handler_id"] == f.ACCEPTOR
    assert (await handler.get(f"/claims/{derive_id('claim', 'none')}")).status_code == 404
    assert (await handler.get("/claims", limit=201)).json()["code"] == "submission.invalid_field"
    assert (await world.handler("h-9").get("/claims")).status_code == 403


async def test_the_worklist_follows_the_duties_and_leaves_out_what_one_acted_on(world: World) -> None:
    first, second = (
        await filed(world, f.LI_NA, "li"),
        await filed(world, f.LI_NA, "li-e", "electrician"),
    )
    everything = world.handler(f.ACCEPTOR, *ALL_DUTIES)
    await everything.decides("accept", first)
    follow(world)

    async def waiting(name: str, *duties: str) -> list[tuple[str, str, bool]]:
        told = (await world.handler(name, *duties).get("/worklist")).json()
        return [(row["claim_id"], row["step"], row["ready"]) for row in told["items"]]

    assert await waiting(f.ACCEPTOR, *ALL_DUTIES) == [(second, "ACCEPT", True)]
    assert await waiting(f.REVIEWER, "D9") == [(first, "FIRST_REVIEW", True)]
    assert await waiting(f.REVIEWER, "D10", "D14") == []

    await world.handler(f.REVIEWER, "D9").decides("first_review", first)
    follow(world)
    assert (first, "NOTICE", True) in await waiting(f.REVIEWER, "D9", "D11")

    world.moves_to(date(2024, 6, 6))
    await world.handler(f.REVIEWER, "D11").decides("publicise", first)
    world.moves_to(date(2024, 6, 13))
    follow(world)
    assert await waiting(f.APPROVER, "D12") == [(first, "APPROVE", False)]
    assert await waiting(f.REVIEWER, "D12") == []
    world.moves_to(date(2024, 6, 14))
    told = (await world.handler(f.APPROVER, "D12").get("/worklist")).json()
    assert told["business_date"] == "2024-06-14"
    assert [(row["ready"], row["closes_on"], row["duty"]) for row in told["items"]] == [
        (True, "2024-06-13", "D12")
    ]
    assert (await world.person(f.LI_NA).get("/worklist")).status_code == 403


async def test_the_worklist_is_paged_in_the_order_of_filing_across_its_kinds(world: World) -> None:
    claims = [await filed(world, derive_id("person", str(n)), f"t-{n}") for n in range(4)]
    await world.handler(f.ACCEPTOR, "D8").decides("accept", claims[1], claims[3])
    await world.handler(f.REVIEWER, "D9").decides("first_review", claims[1], claims[3])
    follow(world)
    handler = world.handler("h-9", "D8", "D11")
    seen: list[str] = []
    after = 0
    while after is not None:
        told = (await handler.get("/worklist", limit=1, after=after)).json()
        seen += [row["claim_id"] for row in told["items"]]
        after = told["next"]
    assert seen == claims


async def test_batches_are_listed_by_region_for_handlers_alone(world: World) -> None:
    *_, batch = await a_whole_life(world)
    follow(world)
    listed = (await world.handler("h-9", "D14").get("/payment-batches", region=f.XIAMEN)).json()
    assert [(row["batch_id"], row["total"], row["paid_fen"]) for row in listed["items"]] == [
        (batch, "¥840.00", 84000)
    ]
    elsewhere = (await world.handler("h-9", "D14").get("/payment-batches", region=f.FUZHOU)).json()
    assert elsewhere["items"] == []
    assert (await world.person(f.LI_NA).get("/payment-batches")).status_code == 403


def test_a_handler_with_nothing_to_wait_for_has_an_empty_worklist(engine: Engine) -> None:
    with engine.connect() as connection:
        assert claims_by_stage.worklist(connection, "h-9", [], Wanted()) == []
        nowhere = [Awaiting(f.XIAMEN, "CLAIMED", frozenset())]
        assert claims_by_stage.worklist(connection, "h-9", nowhere, Wanted()) == []
        assert claims_by_stage.as_of(connection) == 0
