"""Certification put together: the only file that names concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter

from services.certification.api import router
from services.certification.consumers import PROJECTIONS, SOURCES
from services.certification.policies import effects
from services.certification.settings import Settings
from services.certification.submissions import handlers
from shared.contracts.certification import SERVICE
from shared.policy.loading import load_packages
from shared.runtime.process import main_of, parking_due_by
from shared.runtime.service import Context, Parts


def parts(settings: Settings) -> Parts:
    """What is certification's own."""
    book = load_packages(settings.policy_folder)

    def routers(context: Context) -> Sequence[APIRouter]:
        return [router.router(context.executor, context.engine, book=book, authenticate=context.authenticate)]

    return Parts(
        effects=effects,
        policies=SOURCES,
        handlers=handlers(book),
        parking_due=parking_due_by(book),
        projections=PROJECTIONS,
        routers=routers,
        migrations=Path(__file__).parent / "migrations",
    )


def main(arguments: Sequence[str]) -> int:
    """Runs the service. See `--help`."""
    return main_of(SERVICE, Settings, parts, arguments)
