"""All of payment's routes, for `app.py` to mount."""

from fastapi import APIRouter
from sqlalchemy import Engine

from services.payment.api import batches, claims, decisions
from services.payment.api.claims import RegisterAccount
from shared.access.answers import PROBLEMS
from shared.access.edge import Dependency, Edge, asked_by, handler_by
from shared.contracts.payment import SERVICE
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
    """Payment's routes.

    A command needs `Idempotency-Key`; its answer to a repetition is the stored one. Every refusal answers with
    `Problem`. What is listed comes from read models and may lag behind the facts by a moment.

    Args:
        executor: decides commands, on the service's store.
        engine: of the read models.
        book: the policy in force.
        authenticate: a FastAPI dependency that answers the `Actor`, or refuses with 401.
        register_account: puts a person's account into the vault, see `RegisterAccount`.
    """
    edge = Edge(executor, engine, book)
    asked, handler = asked_by(authenticate), handler_by(authenticate, with_duty=True)
    routes = APIRouter(responses=PROBLEMS, tags=[SERVICE])
    claims.add_commands(routes, edge, asked, register_account)
    decisions.add_routes(routes, edge, asked)
    claims.add_list(routes, edge, authenticate)
    claims.add_detail(routes, edge, authenticate)
    claims.add_worklist(routes, edge, handler)
    batches.add_routes(routes, edge, asked, handler)
    return routes
