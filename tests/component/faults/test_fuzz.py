"""Fuzzed submissions: each has exactly one receipt or quarantine fact, and no service minds.

2,000 records; ZEREN_FUZZ_RECORDS and ZEREN_FUZZ_SEED ask for others. What came of it is printed (`pytest -s`).
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import islice

import psutil  # type: ignore[import-untyped]
import pytest

from tests.component.faults.fuzzing import CLASSES, Fuzz
from tests.component.faults.sending import DECIDING, Answer, Outgoing, Place, Town, counted
from zeren.stack.days import business_date, open_days
from zeren.stack.supervisor import Supervisor

RECORDS = int(os.environ.get("ZEREN_FUZZ_RECORDS", "2000"))
SEED = int(os.environ.get("ZEREN_FUZZ_SEED", "20240514"))
AT_ONCE = 500
PAST_EVERY_DEADLINE = timedelta(days=80)
RECORD_BYTES = 1_000_000
"""What the broker takes in any case."""
MAX_MEMORY = 250 << 20
MAX_GROWTH = 32 << 20
"""Bytes that a service may grow by between the first half of the records and the second."""

pytestmark = pytest.mark.timeout(300 + RECORDS // 20)


def processes(town: Town) -> dict[str, int]:
    """Service to process id."""
    return {
        one.name: one.pid for one in Supervisor(town.state).status() if one.name in DECIDING and one.running
    }


def memory(town: Town) -> dict[str, int]:
    """Resident bytes of each deciding service."""
    return {name: psutil.Process(pid).memory_info().rss for name, pid in processes(town).items()}


def approve(town: Town) -> None:
    """A handler opens the dozen classes."""
    bearer = town.local.as_duty("D3")
    until = time.monotonic() + 30
    while True:
        waiting = town.local.get("enrolment", "/worklist", bearer=bearer)["items"]
        if len(waiting) >= CLASSES or time.monotonic() > until:
            break
        time.sleep(0.05)
    body = {"decision": "approve", "class_ids": [row["class_id"] for row in waiting]}
    town.local.post("enrolment", "/classes/decisions", body, bearer=bearer)


def test_each_fuzzed_record_has_one_answer_and_no_service_minds(town: Town) -> None:
    """No crash, no stopped partition, memory flat, and what waited for ever is answered at its deadline."""
    fuzz, began_on = Fuzz(town, SEED), business_date(town.local)
    assert began_on is not None
    assert town.told(*fuzz.planned()) == ["accepted"] * CLASSES
    approve(town)
    started, before = processes(town), {service: town.head(service) for service in DECIDING}
    faults_before = faults(town)
    marks: dict[Place, tuple[str, str, str]] = {}
    sizes: dict[int, dict[str, int]] = {}
    began = time.monotonic()
    stream = fuzz.records()
    for number in range(0, RECORDS, AT_ONCE):
        batch = list(islice(stream, min(AT_ONCE, RECORDS - number)))
        marks |= send(town, batch)
        town.await_decided()
        sizes[number + len(batch)] = memory(town)
    seconds = time.monotonic() - began
    open_days(town.local, began_on + PAST_EVERY_DEADLINE)
    answers = {service: town.given_by_place(service, before[service]) for service in DECIDING}
    tell(answers, sizes, seconds)
    assert wrongly_answered(marks, answers) == []
    assert waiting_for_an_operator(town) == []
    assert processes(town) == started
    assert town.stopped() == {}
    assert faults(town) == faults_before
    assert_flat(sizes)


def send(town: Town, batch: list[Outgoing]) -> dict[Place, tuple[str, str, str]]:
    """Sends them; where each lies. The broker refuses what is over its limit, and nothing else."""
    found = town.send(batch)
    for place, record in zip(found, batch, strict=True):
        too_large = len(record.value or b"") > RECORD_BYTES
        assert isinstance(place, tuple) or (place == "MSG_SIZE_TOO_LARGE" and too_large), place
    return {
        place: record.mark for place, record in zip(found, batch, strict=True) if isinstance(place, tuple)
    }


def wrongly_answered(
    marks: dict[Place, tuple[str, str, str]], answers: dict[str, dict[Place, list[Answer]]]
) -> list[str]:
    """Records with no answer or with too many.

    The same value under the same signature is answered once. A value whose second signature is right too is
    the same submission: it has its receipt already.
    """
    given: Counter[tuple[str, str, str]] = Counter()
    receipts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for place, mark in marks.items():
        for answer in answers[mark[0]].get(place, ()):
            given[mark] += 1
            receipts[mark[:2]] += answer.verdict != "quarantined"
    many = [f"{mark}: {count} answers" for mark, count in given.items() if count > 1]
    many += [f"{mark}: {count} receipts" for mark, count in receipts.items() if count > 1]
    none = [
        f"{mark}: no answer" for mark in set(marks.values()) if not given[mark] and not receipts[mark[:2]]
    ]
    return many + none


def waiting_for_an_operator(town: Town) -> list[str]:
    """Submissions whose decision failed by a fault: the service keeps them and goes on."""
    found = []
    for name in DECIDING:
        with town.servers.postgres.connect(name) as connection:
            query = "SELECT awaited FROM parked WHERE awaited LIKE 'operator:%'"
            found += [f"{name}: {row[0]}" for row in connection.execute(query)]
    return found


def faults(town: Town) -> list[str]:
    """What the services' logs say at level ERROR, and tracebacks."""
    lines = [line for name in DECIDING for line in town.state.log(name).read_text("utf-8").splitlines()]
    return [line for line in lines if '"level":"ERROR"' in line.replace(" ", "") or "Traceback" in line]


def assert_flat(sizes: dict[int, dict[str, int]]) -> None:
    """Every service stays under its limit and grows no more in the second half than caches may."""
    half = min(sizes, key=lambda count: abs(count - RECORDS // 2))
    for name, size in sizes[max(sizes)].items():
        assert size <= MAX_MEMORY, (name, size)
        assert size - sizes[half][name] <= MAX_GROWTH, (name, size, sizes[half][name])


def tell(
    answers: dict[str, dict[Place, list[Answer]]], sizes: dict[int, dict[str, int]], seconds: float
) -> None:
    """Count, seconds, answers by code, memory."""
    each = counted(one for places in answers.values() for found in places.values() for one in found)
    shown = {count: sizes[count] for count in sizes if count in (2_000, 10_000, RECORDS)}
    megabytes = {
        count: {name: round(size / (1 << 20), 1) for name, size in rows.items()}
        for count, rows in shown.items()
    }
    told = {
        "records": RECORDS,
        "seed": SEED,
        "seconds": round(seconds, 1),
        "MB": megabytes,
    }
    print(json.dumps(told), *(f"{count:6} {code}" for code, count in each.most_common()), sep="\n")  # noqa: T201
