"""All of enrolment's routes, for `app.py` to mount."""

from fastapi import APIRouter
from sqlalchemy import Engine

from services.enrolment.api import business_days, classes, institutions
from services.enrolment.api.institutions import RegisterAccount
from shared.access.answers import PROBLEMS
from shared.access.edge import Dependency, Edge, asked_by, handler_by
from shared.eventstore.execute import Executor
from shared.policy.book import PolicyBook


def router(
    executor: Executor,
    engine: Engine,
    *,
    book: PolicyBook,
    authenticate: Dependency,
    register_account: RegisterAccount,
) -> APIRouter:
    """Enrolment's routes.

    A command needs `Idempotency-Key`; its answer to a repetition is the stored one. Every refusal answers with
    `Problem`. What is listed comes from read models and may lag behind the facts by a moment.

    Args:
        executor: decides commands, on the service's store.
        engine: of the read models.
        book: calendar and regions.
        authenticate: a FastAPI dependency that answers the `Actor`, or refuses with 401.
        register_account: puts an institution's account into the vault, see `RegisterAccount`.
    """
    edge = Edge(executor, engine, book)
    asked, handler = asked_by(authenticate), handler_by(authenticate)
    routes = APIRouter(responses=PROBLEMS)
    institutions.add_commands(routes, edge, asked, register_account)
    institutions.add_views(routes, edge, handler)
    classes.add_commands(routes, edge, asked)
    classes.add_views(routes, edge, handler)
    classes.add_worklist(routes, edge, handler)
    business_days.add_routes(routes, edge, asked, handler)
    return routes
