"""Enrolment put together: the only file that names concrete adapters."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from services.enrolment.api import erasures, persons, router
from services.enrolment.api.models import NewAccount
from services.enrolment.consumers import ERASURE_FOLLOWER, FOLLOWERS, PROJECTIONS, SOURCES
from services.enrolment.domain.erasure import RecordErased
from services.enrolment.policies import Carried, effects
from services.enrolment.settings import Settings
from services.enrolment.submissions import handlers
from shared.access.edge import Edge
from shared.contracts.enrolment import SERVICE, ErasureConfirmed, SubjectErased
from shared.contracts.fact import Envelope
from shared.eventstore.follower import Follower
from shared.eventstore.store import Unavailable
from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages
from shared.runtime.process import main_of, parking_due_by
from shared.runtime.service import Context, Loop, Parts, following
from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.erasure import NOTHING, erase, is_known, shred_deleted_keys
from shared.vault.errors import VaultError
from shared.vault.persons import PersonVault

log = logging.getLogger(__name__)

KEPT_BYTES = 32 << 20
"""Some 7,000 enrolments in training: a sheet brings back those of a class, all classes come in turn, and what was let
go is read again with each of its facts."""


def parts(settings: Settings) -> Parts:
    """What is enrolment's own."""
    book = load_packages(settings.policy_folder)

    def routers(context: Context) -> Sequence[APIRouter]:
        resolve = PersonVault(context.vault).person_by_national_id
        edge = Edge(context.executor, context.engine, book)
        return [
            _router(context, book),
            persons.router(context.authenticate, resolve),
            erasures.router(edge, context.authenticate, lambda person: is_known(context.vault, person)),
        ]

    return Parts(
        effects=effects,
        policies=SOURCES,
        handlers=handlers(book),
        parking_due=parking_due_by(book),
        projections=PROJECTIONS,
        routers=routers,
        loops=lambda context: {"erasure": _erasure_loop(context)},
        followers=tuple(FOLLOWERS),
        migrations=Path(__file__).parent / "migrations",
        kept_bytes=KEPT_BYTES,
    )


def _router(context: Context, book: PolicyBook) -> APIRouter:
    accounts = Accounts(context.vault)

    def register_account(uscc: str, account: NewAccount) -> tuple[str, str]:
        found = accounts.register(
            OwnerKind.INSTITUTION, uscc, number=account.number, holder=account.holder, bank=account.bank
        )
        return found.account_id, found.commitment

    return router.router(
        context.executor,
        context.engine,
        book=book,
        authenticate=context.authenticate,
        register_account=register_account,
    )


def _erasure_loop(context: Context) -> Loop:
    """Deletes what was confirmed, then says so: at least once, and the same order again deletes nothing."""

    def follow() -> Follower:
        def act(facts: Sequence[Envelope[Any]]) -> None:
            _carry_out(context, facts)

        reads = FOLLOWERS[ERASURE_FOLLOWER]
        return Follower(ERASURE_FOLLOWER, context.store, context.engine, reads, act)

    return following(context, follow)


def _carry_out(context: Context, facts: Sequence[Envelope[ErasureConfirmed]]) -> None:
    """Raises: Unavailable: the vault is away or refuses, or a key is still in its file; it is done again for ever.

    Whom the vault doesn't know has nothing there: it was put back to an earlier point.
    """
    works = []
    try:
        for fact in facts:
            person, number = fact.data.person_id, fact.data.order_no
            deleted = erase(context.vault, person, number) or NOTHING
            erased = SubjectErased(person_id=person, order_no=number, **asdict(deleted))
            works.append(Carried(fact, RecordErased(erased)))
        shred_deleted_keys(context.vault)
    except VaultError as error:
        log.error("erasure not carried out", extra={"why": str(error)})  # noqa: TRY400  the message holds no value
        raise Unavailable("vault") from error
    while works:
        works = works[len(context.executor.run(works).results) :]


def main(arguments: Sequence[str]) -> int:
    """Runs the service. See `--help`."""
    return main_of(SERVICE, Settings, parts, arguments)
