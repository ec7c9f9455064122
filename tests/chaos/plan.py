"""What goes wrong in a run, and when: a function of the seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

SERVICES = ("enrolment", "certification", "payment", "audit")
RELAY, INSTITUTIONS, BANK, KAFKA, POSTGRES = "relay", "institutions", "bank", "kafka", "postgres"
TARGETS = (*SERVICES, RELAY, INSTITUTIONS, BANK, KAFKA, POSTGRES)
KILL, STOP = "kill", "stop"
LEAST_OF_A_KIND = 3
LEAST_INSIDE = 10
LEAST_KILLS = LEAST_OF_A_KIND * len(TARGETS)

PAUSE_SECONDS = (0.3, 4.0)
"""Between a kill and the new start, as a supervisor may need."""
SHORT_STOP_SECONDS = (2.0, 6.0)
LONG_STOP_SECONDS = (11.0, 20.0)
"""Past the consumers' session timeout (6 s) and, at times, the timeout of an idle transaction (15 s)."""
DELAY_SECONDS = (0.0, 2.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        number: from 1, in the order of the plan.
        step: the step of the load during which it happens.
        delay: seconds after the fault before it, or after the step's start.
        action: kill (-9) or stop (SIGSTOP, then SIGCONT).
        seconds: until it is started again, or continued.
        inside: it happens while an open transaction of the target holds its database's lock.
    """

    number: int
    step: int
    delay: float
    target: str
    action: str
    seconds: float
    inside: bool


def plan(seed: int, kills: int, eligible: Mapping[str, Sequence[int]]) -> list[Fault]:
    """The faults in the order in which they happen.

    Args:
        seed: the same seed, the same plan.
        kills: how many; with `LEAST_KILLS` and more, each target has its `LEAST_OF_A_KIND`.
        eligible: by target, the steps of the load at which it has work.
    """
    rng = Random(f"zeren/chaos/{seed}/{kills}")  # noqa: S311 - the same seed must give the same plan
    targets = [target for _ in range(LEAST_OF_A_KIND) for target in TARGETS]
    targets += [rng.choice(TARGETS) for _ in range(kills - len(targets))]
    seen: Counter[str] = Counter()
    drawn = [_draw(rng, target, seen, eligible[target]) for target in targets[:kills]]
    drawn.sort(key=lambda one: one[0])
    return [_fault(number, row) for number, row in enumerate(drawn, 1)]


Row = tuple[int, float, str, str, float, bool]


def _draw(rng: Random, target: str, seen: Counter[str], steps: Sequence[int]) -> Row:
    """Kills and stops take turns, so that each target has both; of its first three, services have all inside."""
    turn = seen[target]
    seen[target] += 1
    action = (KILL, STOP)[(turn + TARGETS.index(target)) % 2]
    inside = target in SERVICES and (turn < LEAST_OF_A_KIND or rng.random() < 0.5)
    stretch = LONG_STOP_SECONDS if turn % 4 in (1, 2) else SHORT_STOP_SECONDS
    seconds = rng.uniform(*(PAUSE_SECONDS if action == KILL else stretch))
    return rng.choice(steps), rng.uniform(*DELAY_SECONDS), target, action, round(seconds, 2), inside


def _fault(number: int, row: Row) -> Fault:
    step, delay, target, action, seconds, inside = row
    return Fault(
        number=number, step=step, delay=round(delay, 2), target=target, action=action, seconds=seconds,
        inside=inside,
    )  # fmt: skip
