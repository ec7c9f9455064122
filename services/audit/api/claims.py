"""Claims: the list, the replay of one, and who is responsible for it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine

from services.audit.api.names import Named, Names
from services.audit.ledger.reading import entries_of
from services.audit.projections import claim_history, claims, replay, responsibility
from services.audit.projections.organisations import organisation_names
from services.audit.projections.projector import as_of
from services.audit.projections.schema import Row
from shared.access.actor import Actor
from shared.access.bearer import Authenticate, require
from shared.access.commands import Commanded, DutyNotHeld, causation_id
from shared.contracts.audit import SERVICE
from shared.policy.book import PolicyBook
from shared.refusal import Refusal
from shared.telemetry.traceparent import HEADER, child_of

MAX_FACTS = 2_000
"""Facts of one case that are looked at; a class has at most 200 sessions."""

ClaimId = Annotated[UUID, Path(examples=["0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"])]
Reason = Annotated[
    str,
    Query(
        max_length=32,
        description="查阅原因 / a reason code shows names to auditors",
        examples=["CASE_REVIEW"],
    ),
]
State = Literal[
    "CLAIMED", "ACCEPTED", "FIRST_REVIEWED", "RE_REVIEWED", "PUBLICISED", "APPROVED", "ORDERED", "PAY_FAILED",
    "PAID", "REFUSED",
]  # fmt: skip


class ClaimFilter(BaseModel):
    """Which claims, and from where on: `after` is the `next` of the page before."""

    model_config = ConfigDict(extra="forbid")
    state: State | None = None
    region: str | None = Field(None, pattern="^[0-9]{6}$", examples=["350100"])
    institution: str | None = Field(None, pattern="^[0-9A-Z]{18}$", examples=["91350100MA2Y00001H"])
    certificate_id: UUID | None = None
    after: int = Field(-1, ge=-1, le=1 << 62)
    limit: int = Field(50, ge=1, le=200)

    def filters(self) -> dict[str, str]:
        """Column to value."""
        named = self.model_dump(
            include={"state", "region", "institution", "certificate_id"}, exclude_none=True
        )
        return {name: str(value) for name, value in named.items()}


class ClaimUnknown(Refusal):
    """No such claim in the ledger, or not yet."""

    code = "claim.unknown"


_CLAIM = {
    "claim_id": "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001",
    "state": "PAID",
    "paid_fen": 70000,
    "place": 812,
}
_FACTS = [{"index": 812, "leaf_hash": "9f2c…", "fact": {"type": "zeren.payment.SubsidyClaimed.v1"}}]
_LINK = {
    "role": "CHECKED",
    "duty": "D8",
    "actor": {
        "kind": "handler",
        "id": "h-008",
        "name": "林某",
        "post": "受理岗",
        "organisation": "某县人社局",
    },
    "first_on": "2024-06-05",
    "last_on": "2024-06-05",
    "facts": [{"index": 901, "fact_id": "6d1f2f0e-…", "type": "zeren.payment.ClaimAccepted.v1"}],
}


def _example(answer: Any) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": answer}}, "description": "JSON"}}


def add_claims(
    routes: APIRouter, engine: Engine, book: PolicyBook, authenticate: Authenticate, names: Names
) -> None:
    """Adds the routes."""
    _add_list(routes, engine, authenticate)
    _add_replay(routes, engine, book, authenticate, names)
    _add_responsibility(routes, engine, authenticate, names)


def _add_list(routes: APIRouter, engine: Engine, authenticate: Authenticate) -> None:
    @routes.get("/claims", response_class=Response, responses=_example({"items": [_CLAIM], "next": None}))
    def list_claims(
        actor: Annotated[Actor, Depends(authenticate)], wanted: Annotated[ClaimFilter, Query()]
    ) -> Response:
        """申领清单 / Claims in the order in which they were ledgered. For AUDITOR and OPERATOR."""
        require(actor, "AUDITOR", "OPERATOR")
        with engine.connect() as connection:
            rows = claims.claims_page(connection, wanted.filters(), after=wanted.after, limit=wanted.limit)
            folded = as_of(connection, claims.projection.name)
        following = rows[-1]["place"] if len(rows) == wanted.limit else None
        return _json({"items": rows, "next": following, "as_of": folded})


def _add_replay(
    routes: APIRouter, engine: Engine, book: PolicyBook, authenticate: Authenticate, names: Names
) -> None:
    answer = {"claim": _CLAIM, "facts": _FACTS, "total": 1, "next": None, "traces": [], "people": {}}

    @routes.get("/claims/{claim_id}/replay", response_class=Response, responses=_example(answer))
    def replay_claim(
        request: Request,
        claim_id: ClaimId,
        actor: Annotated[Actor, Depends(authenticate)],
        reason: Reason = "",
        offset: Annotated[int, Query(ge=0, le=2 * MAX_FACTS)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 500,
    ) -> Response:
        """重放 / Every fact that the claim rests on, its state folded anew, the rules that decided it.

        Each fact stands as its own bytes, with its ledger index and leaf hash: prove it with `/log`. Names are
        shown to auditors who state a reason; that reading becomes a fact.
        """
        _require_handler(actor)
        claim = str(claim_id)
        with engine.connect() as connection:
            rows = replay.in_order(_facts(connection, claim))
            page = rows[offset : offset + limit]
            own = [row for row in rows if row["subject"] == claim]
            entries = entries_of(connection, {row["index"] for row in (*page, *own)})
            organisations = _organisations(connection, (row["actor"] for row in rows))
            folded = as_of(connection, claim_history.projection.name)
        state = replay.state_of(claim, own, entries)
        if state is None:
            raise ClaimUnknown("claim_id")
        actors = {("person", state["person_id"]), *_split(row["actor"] for row in rows)}
        named = names.look_up(_commanded(request, actor), claim, reason, actors)
        return _json(
            {
                "claim": state,
                "facts": [replay.told(row, entries[row["index"]]) for row in page],
                "total": len(rows),
                "next": offset + limit if offset + limit < len(rows) else None,
                "traces": replay.traces_of(page, entries, book),
                **_people(named),
                "organisations": organisations,
                "as_of": folded,
            }
        )


def _add_responsibility(routes: APIRouter, engine: Engine, authenticate: Authenticate, names: Names) -> None:
    answer = {"claim": _CLAIM, "links": [_LINK], "named": True}

    @routes.get("/claims/{claim_id}/responsibility", response_class=Response, responses=_example(answer))
    def responsible(
        request: Request,
        claim_id: ClaimId,
        actor: Annotated[Actor, Depends(authenticate)],
        reason: Reason = "",
    ) -> Response:
        """责任链 / Who used, attested, claimed, checked, approved and paid the claim (谁使用、谁负责).

        Names and posts are shown to auditors who state a reason; that reading becomes a fact.
        """
        _require_handler(actor)
        claim = str(claim_id)
        with engine.connect() as connection:
            row = claims.claim(connection, claim)
            if row is None:
                raise ClaimUnknown("claim_id")
            links = responsibility.chain(connection, claim, MAX_FACTS)
            pairs = [(link["actor"]["kind"], link["actor"]["id"]) for link in links]
            organisations = _organisations(connection, (f"{kind}:{name}" for kind, name in pairs))
            folded = as_of(connection, responsibility.projection.name)
        actors = {("person", row["person_id"]), *pairs}
        named = names.look_up(_commanded(request, actor), claim, reason, actors)
        for link in links:
            link["actor"] |= _shown(link["actor"], named, organisations)
        return _json({"claim": row, "links": links, **_people(named), "as_of": folded})


def _facts(connection: Connection, claim: str) -> list[Row]:
    return claim_history.facts_about(connection, claim, MAX_FACTS)


def _shown(actor: Row, named: Named, organisations: dict[str, str]) -> dict[str, str]:
    if actor["id"] in organisations:
        return {"name": organisations[actor["id"]]}
    return named.of(actor["kind"], actor["id"])


def _people(named: Named) -> Row:
    people = {
        name: {"name": shown, "post": post, "organisation": organisation}
        for name, (shown, post, organisation) in named.people.items()
    }
    return {"named": named.shown, "people": people, "persons": dict(named.persons)}


def _organisations(connection: Connection, actors: Iterable[str]) -> dict[str, str]:
    usccs = {name for kind, name in _split(actors) if kind in ("institution", "bank")}
    return organisation_names(connection, sorted(usccs))


def _split(actors: Iterable[str]) -> Sequence[tuple[str, str]]:
    return [(kind, name) for kind, _, name in (actor.partition(":") for actor in actors)]


def _commanded(request: Request, actor: Actor) -> Commanded:
    return Commanded(
        actor=actor,
        causation_id=causation_id(SERVICE, actor, str(uuid4())),
        traceparent=child_of(request.headers.get(HEADER, "")),
        now=datetime.now(UTC),
    )


def _require_handler(actor: Actor) -> None:
    if actor.kind != "handler":
        raise DutyNotHeld


def _json(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
