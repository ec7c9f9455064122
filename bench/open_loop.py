"""Open loop: attendance sheets go out by the clock, whatever is answered meanwhile.

A latency counts from the moment at which a sheet was due, not from when it left: where the sender or Kafka stands
still, everything that was due meanwhile has waited (no coordinated omission). Each institution sends and reads its
receipts under its own principal, with the client that the product gives to institutions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.courses import Course, Sending, training_of
from zeren.institution.client import Mailbox
from zeren.institution.profile import Profile

ANSWER_SECONDS = 60.0
"""How long the last receipts are waited for."""
ACCEPTED = "accepted"

Send = Callable[[Sending], Awaitable[Any]]


@dataclass(slots=True)
class Walked:
    """What came of it.

    Attributes:
        began: monotonic seconds: when the first sheet was due.
        seconds: from then to the last receipt.
        receipt_ms: from due to the receipt in the institution's hands, in the order of coming.
        late_ms: from due to handed to the producer, in the order of sending.
        refused: receipts that accepted not all of it.
        unanswered: sheets without a receipt in time.
        twice: receipts beyond the first of a sheet.
    """

    began: float = 0.0
    seconds: float = 0.0
    receipt_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    refused: int = 0
    unanswered: int = 0
    twice: int = 0

    def told(self) -> dict[str, Any]:
        """For the answer."""
        return {name: getattr(self, name) for name in self.__slots__}


def in_turn(courses: Sequence[Course], sheets: int) -> Iterator[Sending]:
    """Sheets of all classes in turn, so that no class has two under way: the first session of each, then the next."""
    rows = [training_of(course).sheets for course in courses]
    turns = (row[session] for session in range(min(map(len, rows))) for row in rows)
    return (sending for sending, _ in zip(turns, range(sheets), strict=False))


class Walk:
    """Sends by the clock and takes receipts as they come."""

    def __init__(self, send: Send, rate: float) -> None:
        """Sends with `send`, which hands a submission to its producer, `rate` a second."""
        self.walked = Walked()
        self._send = send
        self._rate = rate
        self._due: dict[str, float] = {}
        self._over = asyncio.Event()
        self._sent_all = False

    async def run(self, sheets: Sequence[Sending], profiles: Sequence[Profile]) -> Walked:
        """Sends these sheets and waits for their receipts. Raises: KafkaError, KafkaUnreachable."""
        async with AsyncExitStack() as running:
            mailboxes = [await running.enter_async_context(Mailbox(profile)) for profile in profiles]
            await asyncio.gather(*(mailbox.skip_to_end() for mailbox in mailboxes))
            readers = [asyncio.create_task(self._read(mailbox)) for mailbox in mailboxes]
            try:
                sending = asyncio.create_task(self._send_all(sheets))
                await self._first_of(sending, readers)
            finally:
                for task in readers:
                    task.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
        self.walked.unanswered = len(self._due)
        return self.walked

    async def _first_of(self, sending: asyncio.Task[None], readers: Sequence[asyncio.Task[None]]) -> None:
        """Until all is sent and answered; a reader never ends by itself but by a fault, which is raised."""
        ending = asyncio.create_task(self._ended(sending))
        done, _ = await asyncio.wait((ending, *readers), return_when=asyncio.FIRST_COMPLETED)
        if ending not in done:
            for task in (sending, ending):
                task.cancel()
            await asyncio.gather(sending, ending, return_exceptions=True)
        for task in done:
            task.result()

    async def _ended(self, sending: asyncio.Task[None]) -> None:
        await sending
        if self._due:
            try:
                await asyncio.wait_for(self._over.wait(), ANSWER_SECONDS)
            except TimeoutError:
                return

    async def _send_all(self, sheets: Sequence[Sending]) -> None:
        began = self.walked.began = time.monotonic()
        for place, sending in enumerate(sheets):
            due = began + place / self._rate
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            self._due[sending.submission_id] = due
            await self._send(sending)
            self.walked.late_ms.append(_ms(time.monotonic() - due))
        self._sent_all = True
        if not self._due:
            self._over.set()

    async def _read(self, mailbox: Mailbox) -> None:
        async for receipt in mailbox.follow():
            refused = receipt.outcome != ACCEPTED or bool(receipt.reasons)
            self.take(receipt.submission_id, time.monotonic(), refused=refused)

    def take(self, submission_id: str, now: float, *, refused: bool) -> None:
        """A receipt that has arrived."""
        due = self._due.pop(submission_id, None)
        if due is None:
            self.walked.twice += 1
            return
        self.walked.refused += refused
        self.walked.receipt_ms.append(_ms(now - due))
        self.walked.seconds = now - self.walked.began
        if self._sent_all and not self._due:
            self._over.set()


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 3)
