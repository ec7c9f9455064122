"""The handlers (经办人员) of the local set-up, as committed in `deploy/local/handlers.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zeren.stack.paths import DEPLOY_LOCAL

HANDLERS_FILE = DEPLOY_LOCAL / "handlers.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHandler:
    """A handler whom the local issuer may give a token."""

    handler_id: str
    name: str = field(repr=False)
    post: str
    organisation: str
    duties: tuple[str, ...]


@cache
def read_handlers(path: Path = HANDLERS_FILE) -> tuple[LocalHandler, ...]:
    """All of them, in the file's order."""
    rows = tomllib.loads(path.read_text("utf-8"))["handlers"]
    return tuple(
        LocalHandler(
            handler_id=row["id"],
            name=row["name"],
            post=row["post"],
            organisation=row["organisation"],
            duties=tuple(row["duties"]),
        )
        for row in rows
    )


def handlers_with(duty: str) -> tuple[str, ...]:
    """The ids of those who hold a duty, in the file's order.

    Raises:
        LookupError: nobody does.
    """
    found = tuple(one.handler_id for one in read_handlers() if duty in one.duties)
    if not found:
        raise LookupError(f"handlers.toml 中无人承担 {duty} / nobody in handlers.toml holds {duty}")
    return found
