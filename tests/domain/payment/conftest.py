"""Payment in memory, and HTTP without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from services.payment.api.models import NewAccount
from services.payment.api.router import router
from services.payment.policies import POLICIES, effects
from services.payment.submissions import handlers
from shared.access.actor import Actor
from shared.contracts.fact import Fact
from shared.contracts.submission import Submission
from shared.eventstore.execute import Executor
from shared.eventstore.memory import MemoryStore
from shared.identity import derive_id
from shared.testing.web import NOWHERE, asking, mounted, whoever_asks
from shared.testing.world import Deciding, ServiceWorld
from tests.book import BOOK
from tests.domain.payment import facts

NOW = datetime(2024, 6, 4, 1, tzinfo=UTC)


class World(ServiceWorld):
    """Payment, before its first business date."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__("payment", effects, handlers(BOOK), now=NOW, store=store)
        self.engine: Engine = NOWHERE
        self.folded = 0
        self.accounts: dict[str, NewAccount] = {}
        self._served: tuple[Executor, FastAPI] | None = None

    def learns(self, *foreign: Fact) -> None:
        """Facts of other services arrive."""
        for fact in foreign:
            self.takes(POLICIES, fact, stream=facts.stream_of(fact))

    def sent(self, data: Submission, *, by: str, named: str = "") -> Deciding:
        """A submission, under a new id unless one is named."""
        return self.submission(data, by=by, named=named)

    def facts(self, stream: str) -> list[Any]:
        """The data of a stream's facts."""
        return [fact.data for fact in self.envelopes(stream)]

    def registers_account(self, person: str, account: NewAccount) -> str:
        """The vault: the same account of the same person gives the same id."""
        account_id = derive_id("account", person, account.number)
        self.accounts[account_id] = account
        return account_id

    def served(self) -> FastAPI:
        """The application over the executor that is there now."""
        if self._served is None or self._served[0] is not self.executor:
            routes = router(
                self.executor,
                self.engine,
                book=BOOK,
                authenticate=whoever_asks,
                register_account=self.registers_account,
            )
            self._served = self.executor, mounted("payment", routes)
        return self._served[1]

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
        self._world = world
        self._actor = actor
        self._app = world.served()

    async def _ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        with asking(self._actor):
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
    world.moves_to(facts.CLAIM_DAY)
    world.learns(facts.account_of(), facts.account_of(facts.OTHER_SCHOOL), facts.registered())
    return world
