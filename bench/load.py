"""The institutions under load, as a process of their own: `python -m bench.load STATE SEED`.

It builds and signs classes ahead, sends them under the institutions' own principals as fast as answers come, and
reads every receipt. Asked as `zeren.stack.child` says:

{"build": {"name": NAME, "first": N, "classes": N, "day": DATE}}
                        {"submissions": N, "facts": N, "bytes": N, "seconds": S}
{"connect": true}       {"connected": N}
{"send": {"name": NAME, "stages": […], "in_flight": N, "lag": N}}
                        {"first_sent": T, "last_receipt": T, "accepted": N, …}: see `Sent`
{"stock": {…}}          the same to the stock parts (bench.stock), as administrator
{"enrol": {"name": NAME, "in_flight": N}}
                        as "send", enrolments alone
{"open": {"name": NAME, "rate": R, "sheets": N}}
                        that many sheets by the clock: see `bench.open_loop.Walked`
{"forget": NAME}        {"forgotten": NAME}
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from bench.courses import FACTS, Course, Curriculum, Sending, Stage, training_of
from bench.open_loop import Walk, in_turn
from bench.receipts import Arrived, ReceiptReader
from bench.topics import stock_receipts, stock_topic
from shared.contracts.fact import CONTENT_TYPE
from zeren.institution.client import KafkaUnreachable
from zeren.institution.profile import Profile, ProfileUnusable, read_profiles
from zeren.stack.child import answer_lines
from zeren.stack.kafka import KafkaEndpoint
from zeren.stack.local import running_servers
from zeren.stack.state import StateFolder
from zeren.stack.whole import institutions_folder

STALL_SECONDS = 90.0
"""Without any receipt for so long, something stands still."""
LOOK_SECONDS = 1.0
SHOWN = 5
JSON = "application/json"
"""FastStream decodes no other: the stock parts are sent it."""


class Stalled(Exception):
    """No receipt came for long, with what is missing."""


@dataclass(slots=True)
class Sent:
    """What came of one round of sending.

    Attributes:
        first_sent, last_receipt: monotonic seconds.
        twice: receipts beyond the first of a submission.
        not_accepted: submissions with another outcome, or with refused lines, and the codes.
        waited: accepted only after they had been parked.
    """

    first_sent: float = 0.0
    last_receipt: float = 0.0
    submissions: int = 0
    accepted: int = 0
    facts: int = 0
    twice: int = 0
    not_accepted: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """For the answer; of what went wrong a few."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return {**row, "not_accepted": self.not_accepted[:SHOWN], "wrong": len(self.not_accepted)}


class Round:
    """Sends the stages of some classes: each when the one before is answered, with few enough under way.

    A service never has more than `in_flight` unanswered submissions, but for the rest of one class's stage.
    A class goes on only when `lag` others have reached the same point, as days lie between in life: facts that a
    service needs of another have arrived by then. Later stages go first.
    """

    def __init__(self, courses: Sequence[Course], stages: Sequence[Stage], in_flight: int, lag: int) -> None:
        self.sent = Sent()
        self._courses = courses
        self._stages = list(stages)
        self._in_flight = in_flight
        self._lag = lag
        self._ready: dict[Stage, deque[int]] = {stage: deque() for stage in stages}
        self._ready[self._stages[0]].extend(range(len(courses)))
        self._left: dict[tuple[int, Stage], int] = {}
        self._finished: Counter[Stage] = Counter()
        self._pending: dict[tuple[str, str], tuple[int, Stage]] = {}
        self._under_way: Counter[str] = Counter()

    @property
    def over(self) -> bool:
        """Everything is answered."""
        return self._finished[self._stages[-1]] == len(self._courses)

    @property
    def missing(self) -> list[str]:
        """Some of what has no answer."""
        return [submission for _, submission in list(self._pending)[:SHOWN]]

    def due(self) -> Iterator[Sending]:
        """What may be sent now; counts as under way once it is taken."""
        for place in range(len(self._stages) - 1, -1, -1):
            stage = self._stages[place]
            while (number := self._next(place)) is not None:
                sendings = self._courses[number][stage]
                self._left[number, stage] = len(sendings)
                for sending in sendings:
                    self._pending[sending.party, sending.submission_id] = number, stage
                    self._under_way[sending.topic] += 1
                    self.sent.submissions += 1
                    yield sending

    def _next(self, place: int) -> int | None:
        stage, ready = self._stages[place], self._ready[self._stages[place]]
        if not ready:
            return None
        if self._under_way[self._courses[ready[0]][stage][0].topic] >= self._in_flight:
            return None
        waits = place > 0 and self._finished[self._stages[place - 1]] < len(self._courses)
        return None if waits and len(ready) <= self._lag else ready.popleft()

    def take(self, receipts: Sequence[Arrived]) -> None:
        """Receipts as they came."""
        for receipt in receipts:
            pending = self._pending.pop((receipt.institution, receipt.submission_id), None)
            if pending is None:
                self.sent.twice += 1
                continue
            self._judge(receipt)
            number, stage = pending
            self._under_way[self._courses[number][stage][0].topic] -= 1
            self._left[pending] -= 1
            if not self._left[pending]:
                self._finish(number, stage)
        if receipts:
            self.sent.last_receipt = time.monotonic()

    def _judge(self, receipt: Arrived) -> None:
        if receipt.codes:
            self.sent.not_accepted.append(receipt.submission_id)
            self.sent.codes.update(receipt.codes)
            return
        self.sent.accepted += 1
        self.sent.facts += receipt.facts + 1

    def _finish(self, number: int, stage: Stage) -> None:
        self._finished[stage] += 1
        place = self._stages.index(stage) + 1
        if place < len(self._stages):
            self._ready[self._stages[place]].append(number)


@dataclass(frozen=True, slots=True)
class Way:
    """How submissions leave and where their receipts come.

    Attributes:
        producers: by USCC.
        receipts: of all these institutions.
        topic: where what is meant for a topic goes to.
        content_type: what the records' header says.
    """

    producers: Mapping[str, AIOKafkaProducer]
    receipts: ReceiptReader
    topic: Callable[[str], str] = lambda topic: topic
    content_type: str = CONTENT_TYPE

    async def hand_over(self, sending: Sending) -> asyncio.Future[Any]:
        """Gives it to its producer; the answer is the future of its acknowledgement. Raises: KafkaError."""
        headers = [("content-type", self.content_type.encode()), ("jws", sending.jws)]
        acknowledged: asyncio.Future[Any] = await self.producers[sending.party].send(
            self.topic(sending.topic), value=sending.value, key=sending.key, headers=headers
        )
        return acknowledged


class Load:
    """Answers what is asked on standard input."""

    def __init__(self, state: StateFolder, seed: int) -> None:
        self._state = state
        self._curriculum = Curriculum(seed)
        self._courses: dict[str, list[Course]] = {}
        self._profiles: dict[str, Profile] = {}
        self._open = AsyncExitStack()
        self._reading = AsyncExitStack()
        self._way: Way | None = None
        self._failed: list[BaseException] = []

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Raises: KafkaError, ProfileUnusable, KafkaUnreachable, Stalled."""
        match asked:
            case {"build": {"name": name, "first": first, "classes": classes, "day": day}}:
                return await asyncio.to_thread(self._build, name, first, classes, date.fromisoformat(day))
            case {"connect": True}:
                return await self._connect()
            case {"send": {"name": name, "stages": stages, "in_flight": in_flight, "lag": lag}}:
                round_ = Round(self._courses[name], [Stage[one] for one in stages], in_flight, lag)
                return (await self._send(round_, self._own)).told()
            case {"stock": {"name": name, "stages": stages, "in_flight": in_flight, "lag": lag}}:
                round_ = Round(self._courses[name], [Stage[one] for one in stages], in_flight, lag)
                async with AsyncExitStack() as running:
                    return (await self._send(round_, await self._stock(running))).told()
            case {"enrol": {"name": name, "in_flight": in_flight}}:
                enrolling = [{Stage.TRAIN: (*training_of(one).enrolments,)} for one in self._courses[name]]
                return (await self._send(Round(enrolling, [Stage.TRAIN], in_flight, 0), self._own)).told()
            case {"open": {"name": name, "rate": rate, "sheets": sheets}}:
                return await self._walk(list(in_turn(self._courses[name], sheets)), rate)
            case {"forget": name}:
                del self._courses[name]
                return {"forgotten": name}
        return {"error": "无此请求 / no such request"}

    def _build(self, name: str, first: int, classes: int, day: date) -> dict[str, Any]:
        began = time.monotonic()
        built = [self._curriculum.course(number, day) for number in range(first, first + classes)]
        self._courses[name] = built
        gc.collect()
        gc.freeze()
        sendings = [one for course in built for stage in FACTS for one in course[stage]]
        return {
            "submissions": len(sendings),
            "facts": classes * sum(FACTS.values()),
            "bytes": sum(len(one.value) for one in sendings),
            "seconds": time.monotonic() - began,
        }

    @property
    def _own(self) -> Way:
        assert self._way is not None, "connect comes first"
        return self._way

    async def _connect(self) -> dict[str, Any]:
        profiles = read_profiles(institutions_folder(self._state))
        organisations = self._curriculum.organisations
        wanted = [one.uscc for one in (*organisations.schools, *organisations.bodies)]
        self._profiles = {uscc: profiles[uscc] for uscc in wanted}
        producers = {
            uscc: await _started(self._open, _settings(profile)) for uscc, profile in self._profiles.items()
        }
        self._way = Way(producers, self._reader(self._reading, self._own_topics()))
        return {"connected": len(wanted)}

    def _own_topics(self) -> dict[str, str]:
        return {profile.receipts_topic: uscc for uscc, profile in self._profiles.items()}

    async def _stock(self, running: AsyncExitStack) -> Way:
        """One producer for all, as administrator: the stock parts' topics are nobody else's."""
        producer = await _started(running, _as_administrator(running_servers(self._state).kafka))
        topics = {stock_receipts(uscc): uscc for uscc in self._profiles}
        return Way(dict.fromkeys(self._profiles, producer), self._reader(running, topics), stock_topic, JSON)

    def _reader(self, running: AsyncExitStack, topics: Mapping[str, str]) -> ReceiptReader:
        reader = ReceiptReader(running_servers(self._state).kafka, topics)
        running.callback(reader.close)
        return reader

    async def _send(self, round_: Round, way: Way) -> Sent:
        self._failed.clear()
        way.receipts.go(asyncio.get_running_loop())
        try:
            round_.sent.first_sent = heard = time.monotonic()
            while not round_.over:
                for sending in round_.due():
                    (await way.hand_over(sending)).add_done_callback(self._acknowledged)
                arrived = await way.receipts.some(LOOK_SECONDS)
                round_.take(arrived)
                heard = time.monotonic() if arrived else heard
                self._raise_failed()
                if time.monotonic() - heard > STALL_SECONDS:
                    raise Stalled(f"{STALL_SECONDS:g} s: {', '.join(round_.missing)}")
        finally:
            way.receipts.rest()
        return round_.sent

    def _acknowledged(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._failed.append(error)

    def _raise_failed(self) -> None:
        if self._failed:
            raise self._failed[0]

    async def _walk(self, sheets: Sequence[Sending], rate: float) -> dict[str, Any]:
        """The administrator's reader is away meanwhile: every receipt is read by its own institution alone."""
        self._failed.clear()
        await self._reading.aclose()

        async def send(sending: Sending) -> None:
            (await self._own.hand_over(sending)).add_done_callback(self._acknowledged)

        parties = {sending.party for sending in sheets}
        walked = await Walk(send, rate).run(sheets, [self._profiles[party] for party in sorted(parties)])
        self._way = replace(self._own, receipts=self._reader(self._reading, self._own_topics()))
        self._raise_failed()
        return walked.told()

    async def close(self) -> None:
        """Lets the connections go."""
        await self._reading.aclose()
        await self._open.aclose()


async def _started(running: AsyncExitStack, settings: dict[str, Any]) -> AIOKafkaProducer:
    """A producer that is let go when `running` ends."""
    producer = AIOKafkaProducer(**settings)
    running.push_async_callback(producer.stop)
    await producer.start()
    return producer


def _settings(profile: Profile) -> dict[str, Any]:
    """As `zeren.institution.client` connects, with batches as large as the topic takes."""
    return {
        "bootstrap_servers": profile.bootstrap,
        "security_protocol": profile.security_protocol,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": profile.user,
        "sasl_plain_password": profile.password,
        "client_id": f"bench-{profile.uscc}",
        **_SENDING,
    }


def _as_administrator(kafka: KafkaEndpoint) -> dict[str, Any]:
    return {
        "bootstrap_servers": kafka.bootstrap,
        "security_protocol": kafka.security_protocol,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": kafka.user,
        "sasl_plain_password": kafka.password,
        "client_id": "bench-stock",
        **_SENDING,
    }


_SENDING = {"acks": "all", "enable_idempotence": True, "max_batch_size": 1 << 19}


async def serve(state: StateFolder, seed: int) -> None:
    """Answers until standard input ends."""
    load = Load(state, seed)
    try:
        await answer_lines(load.answer, KafkaError, ProfileUnusable, KafkaUnreachable, Stalled)
    finally:
        await load.close()


if __name__ == "__main__":
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(serve(StateFolder.named(sys.argv[1]), int(sys.argv[2])))
