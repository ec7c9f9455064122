"""Claims: the list, the replay of one, and who is responsible for it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection, Engine

from services.audit.api.case import facts_about
from services.audit.api.models import CLAIMS, REPLAY, RESPONSIBILITY, ClaimFilter, ClaimId, Reason
from services.audit.api.names import Named, Names
from services.audit.projections import claims, replay, responsibility
from services.audit.projections.organisations import organisation_names
from services.audit.projections.projector import as_of
from shared.access.actor import Actor
from shared.access.bearer import require
from shared.access.commands import Commanded, causation_id
from shared.access.edge import Dependency, context_of, handler_by
from shared.contracts.audit import SERVICE
from shared.eventstore.upsert import Row
from shared.policy.book import PolicyBook
from shared.refusal import Refusal

MAX_FACTS = 2_000
"""Facts of one case that are looked at; a class has at most 200 sessions."""


class ClaimUnknown(Refusal):
    """No such claim in the ledger, or not yet."""

    code = "claim.unknown"


def add_list(routes: APIRouter, engine: Engine, authenticate: Dependency) -> None:
    """Adds the list."""

    @routes.get("/claims", response_class=Response, responses=CLAIMS)
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


def add_replays(
    routes: APIRouter, engine: Engine, book: PolicyBook, authenticate: Dependency, names: Names
) -> None:
    """Adds what a handler sees of one claim: its facts, and who is responsible."""
    look = look_by(handler_by(authenticate))
    _add_replay(routes, engine, book, look, names)
    _add_responsibility(routes, engine, look, names)


def look_by(handler: Dependency) -> Dependency:
    """A dependency that answers `Commanded`: a look is a fact where names are shown, each under an id of its own."""

    def look(request: Request, actor: Annotated[Actor, Depends(handler)]) -> Commanded:
        return Commanded(
            actor=actor,
            causation_id=causation_id(SERVICE, actor, str(uuid4())),
            traceparent=context_of(request),
            now=datetime.now(UTC),
        )

    return look


def _add_replay(
    routes: APIRouter, engine: Engine, book: PolicyBook, look_by: Dependency, names: Names
) -> None:
    @routes.get("/claims/{claim_id}/replay", response_class=Response, responses=REPLAY)
    def replay_claim(
        claim_id: ClaimId,
        look: Annotated[Commanded, Depends(look_by)],
        reason: Reason = "",
        offset: Annotated[int, Query(ge=0, le=2 * MAX_FACTS)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 500,
    ) -> Response:
        """重放 / Every fact that the claim rests on, its state folded anew, the rules that decided it.

        Each fact stands as its own bytes, with its ledger index and leaf hash: prove it with `/log`. Names are
        shown to auditors who state a reason; that reading becomes a fact.
        """
        claim = str(claim_id)
        with engine.connect() as connection:
            folded = as_of(connection, claims.projection.name)
            rows = replay.in_order(facts_about(connection, claim, before=folded, limit=MAX_FACTS))
            organisations = _organisations(connection, (row["actor"] for row in rows))
        page, entries = rows[offset : offset + limit], {row["index"]: row["entry"] for row in rows}
        state = replay.state_of(claim, rows, entries)
        if state is None:
            raise ClaimUnknown("claim_id")
        actors = {("person", state["person_id"]), *_split(row["actor"] for row in rows)}
        named = names.look_up(look, claim, reason, actors)
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


def _add_responsibility(routes: APIRouter, engine: Engine, look_by: Dependency, names: Names) -> None:
    @routes.get("/claims/{claim_id}/responsibility", response_class=Response, responses=RESPONSIBILITY)
    def responsible(
        claim_id: ClaimId, look: Annotated[Commanded, Depends(look_by)], reason: Reason = ""
    ) -> Response:
        """责任链 / Who used, attested, claimed, checked, approved and paid the claim (谁使用、谁负责).

        Names and posts are shown to auditors who state a reason; that reading becomes a fact.
        """
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
        named = names.look_up(look, claim, reason, actors)
        for link in links:
            link["actor"] |= _shown(link["actor"], named, organisations)
        return _json({"claim": row, "links": links, **_people(named), "as_of": folded})


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


def _json(answer: Any) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")
