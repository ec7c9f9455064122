"""Enrolment put together: the only file that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter

from services.enrolment.api import persons, router
from services.enrolment.api.models import NewAccount
from services.enrolment.consumers import PROJECTIONS, SOURCES
from services.enrolment.policies import effects
from services.enrolment.settings import Settings
from services.enrolment.submissions import handlers
from shared.contracts.enrolment import SERVICE
from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages
from shared.runtime.process import main_of, parking_due_by
from shared.runtime.service import Context, Parts
from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.persons import PersonVault


def parts(settings: Settings) -> Parts:
    """What is enrolment's own."""
    book = load_packages(settings.policy_folder)

    def routers(context: Context) -> Sequence[APIRouter]:
        resolve = PersonVault(context.vault).person_by_national_id
        return [_router(context, book), persons.router(context.authenticate, resolve)]

    return Parts(
        effects=effects,
        policies=SOURCES,
        handlers=handlers(book),
        parking_due=parking_due_by(book),
        projections=PROJECTIONS,
        routers=routers,
        migrations=Path(__file__).parent / "migrations",
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


def main(arguments: Sequence[str]) -> int:
    """Runs the service. See `--help`."""
    return main_of(SERVICE, Settings, parts, arguments)
