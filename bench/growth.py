"""Growth: the same figures with ever more facts in the store.

Whole classes are sent in runs until the store holds as many facts as each mark says. The rate at a mark is that of
the last facts before it; the run goes on a little beyond, so that no run's slow end is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.courses import FACTS_OF_A_CLASS
from bench.figures import rate_of
from bench.opening import Opening
from bench.replay import Replay, run_replay
from bench.throughput import Bench, Pace, Throughput, check_all, lines_of, run_throughput
from bench.watch import Stores

MARKS = (300_000, 1_000_000, 3_000_000)
LAST = 100_000
"""Facts before a mark whose rate counts."""
CHUNK = 400_000
"""Facts of one run, at most: the load holds a run's submissions in memory."""
BEYOND = 0.1
"""Of a run that passes a mark, this share comes behind it."""
REPLAYS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The figures at a mark.

    Attributes:
        facts: in the store, by the mark.
        over: facts whose rate it is.
        cpu_whole_per_100k: of the run that passed it.
        memory: `peak` and `now` of every process at the end of that run, in MB.
        replay: of one claim, at its end.
    """

    facts: int
    over: int
    facts_per_s: float
    cpu_whole_per_100k: float
    cpu_per_100k: Mapping[str, float]
    memory: Mapping[str, Mapping[str, float]]
    replay: Replay


@dataclass(slots=True, kw_only=True)
class Growth:
    """What came of it.

    Attributes:
        seconds_of: by run, its facts and seconds: of sending alone, not of opening classes.
    """

    marks: list[Mark] = field(default_factory=list)
    seconds_of: list[tuple[int, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For the report; `ratio` is the last mark's rate ÷ the first's."""
        rates = [mark.facts_per_s for mark in self.marks]
        ratio = round(rates[-1] / rates[0], 3) if len(rates) > 1 and rates[0] else None
        return {**asdict(self), "ratio": ratio}


def runs_to(store: int, mark: int, chunk: int = CHUNK) -> list[int]:
    """Facts of the runs from so many in the store to past a mark; none where it is reached.

    The last passes the mark so that `BEYOND` of it comes behind; those before it are alike.
    """
    left = mark - store
    if left <= 0:
        return []
    if left <= chunk:
        return [round(left / (1 - BEYOND))]
    before = -(-(left - 2 * LAST) // chunk)
    each = (left - 2 * LAST) // before
    return [*[each] * before, round((left - each * before) / (1 - BEYOND))]


def window(store: int, mark: int) -> int:
    """Facts before a mark whose rate counts, in a run that began with so many in the store.

    No more than 3/5 of the run up to the mark: its beginning is not in it.
    """
    return min(LAST, max((mark - store) * 3 // 5, 1))


def start_mark(bench: Bench, run: Throughput) -> Mark:
    """The first mark: a warm run's first facts, once it is under way."""
    store = run.facts_in_store - run.facts
    first = run.facts // 10
    over = min(LAST, run.facts // 2)
    rate = rate_of(run.curve, first, first + over)
    return _mark(bench, run, store + first + over, over, rate)


def run_growth(
    bench: Bench, opening: Opening, pace: Pace, first: Mark | None, marks: Sequence[int]
) -> Growth:
    """Grows the store to each mark that is not reached yet. Raises: NotFinished, StackError."""
    found = Growth(marks=[first] if first is not None else [])
    for mark in marks:
        for place, facts in enumerate(sizes := runs_to(_facts(bench), mark)):
            store = _facts(bench)
            name = f"{mark:,} {place + 1}/{len(sizes)}"
            run = _one(bench, opening, pace, name, facts)
            found.seconds_of.append((run.facts, run.seconds))
            found.wrong += run.wrong
            if place == len(sizes) - 1:
                over = window(store, mark)
                rate = rate_of(run.curve, mark - store - over, mark - store)
                found.marks.append(_mark(bench, run, mark, over, rate))
    last = run if found.seconds_of else None
    if last is not None:
        last.wrong.clear()
        check_all(bench, last)
        found.wrong += last.wrong
    return found


def _one(bench: Bench, opening: Opening, pace: Pace, name: str, facts: int) -> Throughput:
    built = opening.prepare({name: max(-(-facts // FACTS_OF_A_CLASS), 1)})
    run = run_throughput(bench, built[name], pace, name=name)
    bench.loader.forget(name)
    for line in lines_of(run):
        bench.progress(line)
    return run


def _mark(bench: Bench, run: Throughput, facts: int, over: int, rate: float) -> Mark:
    return Mark(
        facts=facts,
        over=over,
        facts_per_s=round(rate, 1),
        cpu_whole_per_100k=run.cpu_whole_per_100k,
        cpu_per_100k=run.cpu_per_100k,
        memory=bench.memory(),
        replay=run_replay(bench, REPLAYS),
    )


def _facts(bench: Bench) -> int:
    with Stores.of(bench.servers) as stores:
        return stores.facts()
