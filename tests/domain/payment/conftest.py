"""Payment on an in-memory store: submissions as the intake hands them over, HTTP without a socket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine

from services.payment.api.models import NewAccount
from services.payment.api.router import router
from services.payment.policies import POLICIES, effects
from services.payment.submissions import handlers
from shared.access.actor import Actor
from shared.access.commands import ActionNotAuthenticated
from shared.contracts.certification import CertificateIssued
from shared.contracts.fact import Circumstances, Encoded, Envelope, Fact, decode, encode
from shared.contracts.intake import BusinessDayAdopted, Origin, Reason
from shared.contracts.submission import Submission
from shared.eventstore.businessdate import STREAM, MoveDay, business_date, business_day, business_day_reads
from shared.eventstore.changes import KnowFact, Park, Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.identity import derive_id, receipt_id
from shared.intake.handling import Handlers, Outcome, Parked, Rejected, Submitted
from shared.refusal import Refusal
from tests.domain.payment import facts

NOW = datetime(2024, 6, 4, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
NOWHERE = create_engine("postgresql+psycopg://127.0.0.1:1/none")
"""Never connected: what is asked here must be answered without a look at a read model."""


@dataclass(frozen=True)
class Doing:
    """Any unit of work."""

    do: Callable[[Draft], Any]

    def reads(self, _draft: Draft) -> Reads:
        """Found as they are needed."""
        return Reads()

    def perform(self, draft: Draft) -> Any:
        """Done on the batch's draft."""
        return self.do(draft)


@dataclass(frozen=True)
class Deciding:
    """A submission as a unit of work: what the intake does around a handler, without its receipt."""

    handlers: Handlers
    institution: str
    submission_id: str
    data: Submission

    def _submitted(self, draft: Draft) -> Submitted[Any]:
        receipt = receipt_id("payment", self.institution, self.submission_id)
        digest = hashlib.sha256(msgspec.json.encode((self.submission_id, self.data))).hexdigest()
        return Submitted(
            institution=self.institution,
            submission_id=self.submission_id,
            receipt_id=receipt,
            data=self.data,
            origin=Origin(digest=digest, jws="", topic="t", partition=0, offset=0, logged_at=NOW),
            person=None,
            business_date=business_date(draft),
            traceparent="",
            occurredat=NOW,
        )

    def reads(self, draft: Draft) -> Reads:
        """The business date, and what the handler names."""
        return business_day_reads() | self.handlers[type(self.data)].reads(self._submitted(draft), draft)

    def perform(self, draft: Draft) -> Outcome:
        """The handler's outcome; what it parks is parked."""
        submitted = self._submitted(draft)
        try:
            outcome = self.handlers[type(self.data)].decide(submitted, draft)
        except Refusal as refusal:
            draft.abandon()
            return Rejected([Reason(code=refusal.code, field=refusal.field)])
        if isinstance(outcome, Parked):
            draft.abandon()
            draft.stage(self._park(submitted, outcome.awaited))
        return outcome

    def _park(self, submitted: Submitted[Any], awaited: str) -> Park:
        return Park(
            receipt_id=submitted.receipt_id,
            digest=submitted.origin.digest,
            awaited=awaited,
            institution=self.institution,
            submission_id=self.submission_id,
            submission_type=type(self.data).__name__,
            jws="",
            topic="t",
            partition=0,
            kafka_offset=0,
            logged_at=NOW,
            traceparent="",
        )


class World:
    """Payment, on a business date."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.executor = Executor("payment", self.store, effects, always=business_day_reads())
        self.handlers = handlers(facts.BOOK)
        self.engine: Engine = NOWHERE
        self.accounts: dict[str, NewAccount] = {}
        self._numbers = iter(range(1, 100_000))

    def given(self, day: date) -> Circumstances:
        """The system's own circumstances."""
        return Circumstances(
            occurredat=NOW,
            businessdate=day,
            actor="system:payment",
            duty="SYSTEM",
            region="350000",
            correlationid=STREAM,
            causationid=STREAM,
            traceparent="",
        )

    def run(self, do: Callable[[Draft], Any]) -> Any:
        """One unit in a batch of its own."""
        return self.executor.run([Doing(do)]).results[0]

    @property
    def today(self) -> date | None:
        """The business date."""
        day: date | None = self.run(lambda draft: draft.state(business_day, STREAM))
        return day

    def adopts(self, through: date) -> None:
        """One business day after the other, up to and with one."""
        day = self.today
        day = through if day is None else day + ONE_DAY
        while day <= through:
            move, given = MoveDay(BusinessDayAdopted(date=day, working=True)), self.given(day)
            self.run(lambda draft, move=move, given=given: draft.execute(business_day, STREAM, move, given))
            day += ONE_DAY

    def learns(self, *foreign: Fact) -> None:
        """Facts of other services arrive, as the kernel takes them in."""
        for fact in foreign:
            source = "certification" if isinstance(fact, CertificateIssued) else "enrolment"
            encoded = encode(
                source,
                fact,
                stream=facts.stream_of(fact),
                version=next(self._numbers),
                given=self.given(facts.CLAIM_DAY),
                now=NOW,
            )
            self.run(lambda draft, encoded=encoded: self._take(draft, encoded))

    def _take(self, draft: Draft, encoded: Encoded) -> None:
        draft.stage(KnowFact(encoded.type, encoded.stream, encoded.version, encoded.state))
        for effect in POLICIES[type(encoded.data)](decode(encoded.state)):
            draft.stage(effect)

    def sent(self, data: Submission, *, by: str, named: str = "") -> Deciding:
        """A submission, under a new id unless one is named."""
        return Deciding(self.handlers, by, named or f"s-{next(self._numbers)}", data)

    def decides(self, *sent: Deciding) -> list[Any]:
        """All of one batch."""
        return self.executor.run(list(sent)).results

    def ready(self) -> list[str]:
        """What its parked submissions awaited, of those that were woken."""
        return sorted(row.row.awaited for row in self.store.tables.parked.values() if row.ready)

    def facts(self, stream: str) -> list[Any]:
        """The data of a stream's facts."""
        return [fact.data for fact in self.envelopes(stream)]

    def envelopes(self, stream: str) -> list[Envelope[Any]]:
        """A stream's facts, whole."""
        return [decode(row.state, row.type) for row in self.store.tables.streams.get(stream, ())]

    def all_facts(self) -> list[Envelope[Any]]:
        """The whole event table."""
        return [decode(row.state, row.type) for row in self.store.tables.log]

    def registers_account(self, person: str, account: NewAccount) -> str:
        """The vault: the same account of the same person gives the same id."""
        account_id = derive_id("account", person, account.number)
        self.accounts[account_id] = account
        return account_id

    def client(self, actor: Actor | None) -> Client:
        """Somebody with a token, or nobody."""
        return Client(self, actor)

    def handler(self, name: str, *duties: str) -> Client:
        """A handler with duties."""
        return self.client(Actor("handler", name, frozenset(duties)))

    def person(self, person_id: str) -> Client:
        """A person with their own token."""
        return self.client(Actor("person", person_id, frozenset()))


class Client:
    """HTTP without a socket; each command gets an Idempotency-Key of its own unless one is named."""

    def __init__(self, world: World, actor: Actor | None) -> None:
        def authenticate() -> Actor:
            if actor is None:
                raise ActionNotAuthenticated
            return actor

        self._world = world
        self._app = FastAPI()
        self._app.include_router(
            router(
                world.executor,
                world.engine,
                book=facts.BOOK,
                authenticate=authenticate,
                register_account=world.registers_account,
            )
        )

    async def _ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://payment") as http:
            return await http.request(method, path, **rest)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        """A look."""
        return await self._ask("GET", path, params=params)

    async def post(self, path: str, body: Any, *, key: str = "") -> httpx.Response:
        """A command."""
        name = key or f"k-{next(self._world._numbers)}"
        return await self._ask("POST", path, json=body, headers={"Idempotency-Key": name})

    async def ask_without_key(self, path: str, body: Any) -> httpx.Response:
        """A command that lacks its key."""
        return await self._ask("POST", path, json=body)

    async def decides(self, action: str, *claims: str, reasons: Sequence[str] = ()) -> list[dict[str, Any]]:
        """One action on claims; the outcomes."""
        rows = [{"claim_id": claim, "reasons": list(reasons)} for claim in claims]
        answer = await self.post("/claims/decisions", {"action": action, "claims": rows})
        assert answer.status_code == httpx.codes.OK, answer.text
        outcomes: list[dict[str, Any]] = answer.json()["outcomes"]
        return outcomes


@pytest.fixture
def world() -> World:
    """Tuesday 2024-06-04: two institutions with accounts, and a bank."""
    world = World()
    world.adopts(facts.CLAIM_DAY)
    world.learns(facts.account_of(), facts.account_of(facts.OTHER_SCHOOL), facts.registered())
    return world
