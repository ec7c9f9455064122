"""Payment put together: the only file that names concrete adapters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import APIRouter

from services.payment.api import router
from services.payment.api.models import NewAccount
from services.payment.bank import BankFiles
from services.payment.consumers import BANK_FOLLOWER, FOLLOWERS, PROJECTIONS, SOURCES
from services.payment.domain.erasure import PersonErased
from services.payment.domain.published_policy import published_policy_id
from services.payment.policies import REACTIONS, PublishPackages, effects
from services.payment.settings import Settings
from services.payment.submissions import handlers
from shared.contracts.payment import SERVICE
from shared.eventstore.changes import Reads
from shared.eventstore.follower import Follower
from shared.policy.book import PolicyBook
from shared.policy.loading import load_packages
from shared.runtime.process import main_of, parking_due_by
from shared.runtime.service import Context, Loop, Parts, following
from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.errors import PersonUnreadable


def parts(settings: Settings) -> Parts:
    """What is payment's own."""
    book = load_packages(settings.policy_folder)

    def routers(context: Context) -> Sequence[APIRouter]:
        return [_router(context, book)]

    def loops(context: Context) -> Mapping[str, Loop]:
        return {"bank": _bank_loop(context, settings.bank_folder), "packages": _package_loop(context, book)}

    return Parts(
        effects=effects,
        policies=SOURCES,
        reactions=REACTIONS,
        handlers=handlers(book),
        parking_due=parking_due_by(book),
        projections=PROJECTIONS,
        routers=routers,
        loops=loops,
        followers=tuple(FOLLOWERS),
        migrations=Path(__file__).parent / "migrations",
    )


def _router(context: Context, book: PolicyBook) -> APIRouter:
    accounts = Accounts(context.vault)

    def register_account(person_id: str, account: NewAccount) -> str:
        try:
            return accounts.register(
                OwnerKind.PERSON, person_id, number=account.number, holder=account.holder, bank=account.bank
            ).account_id
        except PersonUnreadable:
            raise PersonErased from None

    return router.router(
        context.executor,
        context.engine,
        book=book,
        authenticate=context.authenticate,
        register_account=register_account,
    )


def _bank_loop(context: Context, folder: Path) -> Loop:
    def follow() -> Follower:
        files = BankFiles(folder, context.store, Accounts(context.vault).read)
        return Follower(BANK_FOLLOWER, context.store, context.engine, FOLLOWERS[BANK_FOLLOWER], files.apply)

    return following(context, follow)


def _package_loop(context: Context, book: PolicyBook) -> Loop:
    """Publishes the packages in use once there is a business date; then there is nothing more to do."""

    async def publish() -> None:
        bell = context.wakeup.bell()
        while not await asyncio.to_thread(_published, context, book):
            await context.wakeup.wait(bell)
            bell = context.wakeup.bell()
        await asyncio.Event().wait()

    return publish


def _published(context: Context, book: PolicyBook) -> bool:
    """Publishes what is not yet; True once every package in use is. Raises: WorkFailed where one was altered."""
    context.executor.run([PublishPackages(book)])
    streams = frozenset(published_policy_id(package.id, package.version) for package in book.packages())
    return len(context.store.read(Reads(streams=streams)).streams) == len(streams)


def main(arguments: Sequence[str]) -> int:
    """Runs the service. See `--help`."""
    return main_of(SERVICE, Settings, parts, arguments)
