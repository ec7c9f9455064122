"""`python -m services.<service> projection status | rebuild | verify [NAME]`: read models, looked at and built anew.

Beside the running service or without it, on the same database. Answers are JSON on standard output, one object a
read model; progress and reasons go to standard error.

0   done; verified: equal
1   different, or refused
2   called wrongly
3   the database is out of reach
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from shared.eventstore.projection import Projection, Source
from shared.eventstore.rebuild import SwitchRefused, rebuild
from shared.eventstore.scratch import Busy, Step
from shared.eventstore.sql import SqlStore, make_engine
from shared.eventstore.standing import standing
from shared.eventstore.store import Unavailable
from shared.eventstore.verify import NotBuilt, verify
from shared.runtime.service import Parts
from shared.runtime.settings import ServiceSettings

DONE, NO, USAGE, UNREACHABLE = 0, 1, 2, 3
LINE_SECONDS = 1.0

Act = Callable[[Engine, Source, Projection], tuple[int, dict[str, Any]]]


def projection_task(service: str, settings: ServiceSettings, parts: Parts, arguments: Sequence[str]) -> int:
    """The task; see the module. Without a name it takes every read model of the service, one after the other."""
    by_name = {projection.name: projection for projection in parts.projections}
    act = ACTS.get(arguments[0]) if arguments else None
    names = list(arguments[1:]) or list(by_name)
    if act is None or len(arguments) > 2 or not set(names) <= set(by_name):
        _say(
            f"用法：projection {' | '.join(ACTS)} [名称]；{service} 有：{', '.join(by_name)} / "
            f"usage: projection {' | '.join(ACTS)} [NAME]; {service} has: {', '.join(by_name)}"
        )
        return USAGE
    engine = make_engine(settings.database_url)
    try:
        source = parts.projected_from(service, SqlStore(engine))
        return max(_answer(act, service, engine, source, by_name[name]) for name in names)
    except (OperationalError, Unavailable) as error:
        _say(
            f"{service} 的数据库无法访问，什么都没有改动：{type(error).__name__} / "
            f"{service}'s database is out of reach, nothing was changed: {type(error).__name__}"
        )
        return UNREACHABLE
    finally:
        engine.dispose()


def _answer(act: Act, service: str, engine: Engine, source: Source, projection: Projection) -> int:
    try:
        code, told = act(engine, source, projection)
    except (Busy, SwitchRefused, NotBuilt) as error:
        _say(str(error))
        code, told = NO, {"refused": str(error)}
    answer = {"service": service, "name": projection.name, **told}
    sys.stdout.write(msgspec.json.encode(answer, enc_hook=str).decode() + "\n")
    sys.stdout.flush()
    return code


def _status(engine: Engine, source: Source, projection: Projection) -> tuple[int, dict[str, Any]]:
    return DONE, standing(engine, source, projection)._asdict()


def _rebuild(engine: Engine, source: Source, projection: Projection) -> tuple[int, dict[str, Any]]:
    rebuilt = rebuild(engine, source, projection, _Lines(projection.name))
    return DONE, {"facts": rebuilt.facts, "seconds": round(rebuilt.seconds, 3)}


def _verify(engine: Engine, source: Source, projection: Projection) -> tuple[int, dict[str, Any]]:
    found = verify(engine, source, projection, _Lines(projection.name))
    told = {
        "equal": not found.different,
        "facts": found.facts,
        "seconds": round(found.seconds, 3),
        "different": found.different,
        "first": [difference._asdict() for difference in found.first],
    }
    return (NO if found.different else DONE), told


ACTS: dict[str, Act] = {"status": _status, "rebuild": _rebuild, "verify": _verify}


class _Lines:
    """Progress as a line a second, and one at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next = 0.0

    def __call__(self, step: Step) -> None:
        if step.folded < step.end and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_SECONDS
        rate = step.folded / step.seconds if step.seconds else 0.0
        left = (step.end - step.folded) / rate if rate else 0.0
        _say(
            f"{self._name}: {step.folded:,}/{step.end:,} 条事实，{rate:,.0f} 条/秒，剩余 {left:.0f} 秒 / "
            f"{step.folded:,} of {step.end:,} facts, {rate:,.0f} a second, {left:.0f} s left"
        )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
