"""All of certification's routes, for `app.py` to mount."""

from fastapi import APIRouter
from sqlalchemy import Engine

from services.certification.api import assessment_bodies, candidates, certificates
from shared.access.answers import PROBLEMS
from shared.access.edge import Dependency, Edge, asked_by, handler_by
from shared.contracts.certification import SERVICE
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook


def router(executor: Executor, engine: Engine, *, book: PolicyBook, authenticate: Dependency) -> APIRouter:
    """Certification's routes.

    A command needs `Idempotency-Key`; its answer to a repetition is the stored one. Every refusal answers with
    `Problem`. What is listed comes from read models and may lag behind the facts by a moment.

    Args:
        executor: decides commands, on the service's store.
        engine: of the read models.
        book: the policy in force; its catalogue bounds scopes.
        authenticate: a FastAPI dependency that answers the `Actor`, or refuses with 401.
    """
    edge = Edge(executor, engine, book)
    asked, handler = asked_by(authenticate), handler_by(authenticate)
    routes = APIRouter(responses=PROBLEMS, tags=[SERVICE])
    assessment_bodies.add_commands(routes, edge, asked)
    assessment_bodies.add_views(routes, edge, authenticate)
    candidates.add_views(routes, edge, authenticate, handler)
    candidates.add_worklist(routes, handler)
    certificates.add_views(routes, edge, authenticate)
    return routes
