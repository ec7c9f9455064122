"""All of audit's routes, for `app.py` to mount."""

from fastapi import APIRouter
from sqlalchemy import Engine

from services.audit.api import claims, evidence, leaves, log, overviews
from services.audit.api.names import Directory, Names
from services.audit.api.spans import SpanStore, add_spans, receiver
from shared.access.answers import PROBLEMS
from shared.access.edge import Dependency
from shared.contracts.audit import SERVICE
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook


def router(  # noqa: PLR0913 - the adapters of all its routes
    executor: Executor,
    engine: Engine,
    *,
    book: PolicyBook,
    authenticate: Dependency,
    directory: Directory,
    open_evidence: evidence.OpenEvidence,
    vkey: str,
    spans: SpanStore,
) -> APIRouter:
    """Audit's routes. Every refusal answers with `Problem`, except under /log, which asks nobody.

    Args:
        executor: the service's own: readings of personal data are its facts.
        engine: of audit's database: ledger and read models.
        book: the policy in force, for targets and citations.
        authenticate: a FastAPI dependency that answers the `Actor`, or refuses with 401.
        directory: the vault's names, as far as audit may ask for them.
        open_evidence: the vault's raw submissions.
        vkey: the log's verifier key.
        spans: who may send spans, and how long they are kept.
    """
    routes = APIRouter()
    routes.include_router(log.router(engine, vkey))
    routes.include_router(receiver(engine, spans.token))
    entitled = APIRouter(responses=PROBLEMS, tags=[SERVICE])
    claims.add_list(entitled, engine, authenticate)
    names = Names(executor, directory)
    claims.add_replays(entitled, engine, book, authenticate, names)
    evidence.add_evidence(entitled, claims.look_by(authenticate), names, open_evidence)
    leaves.add_leaves(entitled, engine, authenticate)
    overviews.add_views(entitled, engine, book, authenticate)
    overviews.add_worklist(entitled, authenticate)
    add_spans(entitled, engine, authenticate, spans.days)
    routes.include_router(entitled)
    return routes
