"""Sending documents and waiting for what becomes of each: a receipt, a wait with its reason, or silence."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.telemetry.tracing import OFF, Tracing
from zeren.institution.client import Mailbox, Publisher
from zeren.institution.profile import Profile
from zeren.institution.receipts import Receipt
from zeren.institution.records import Record

ASK_SECONDS = 1.0
"""How often it is asked what parked submissions wait for."""

Parked = Callable[[str, str], Mapping[str, Mapping[str, Any]]]
"""(service, USCC) → by submission id what a parked one waits for: `awaited`, `due`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one document.

    Attributes:
        outcome: accepted, rejected, parked, or none where nothing came in time: then it may be in quarantine.
        receipt: of an accepted or rejected one.
        awaited, due: of a parked one.
    """

    submission_id: str
    service: str
    outcome: str
    receipt: Receipt | None = None
    awaited: str = ""
    due: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document whose answer is waited for."""

    submission_id: str
    service: str
    digest: str

    @classmethod
    def of(cls, submission_id: str, record: Record) -> Wanted:
        """The document of a record."""
        return cls(submission_id, record.service, hashlib.sha256(record.value).hexdigest())


async def send_and_wait(
    profile: Profile,
    documents: Sequence[tuple[str, Record]],
    *,
    parked: Parked,
    seconds: float,
    tracing: Tracing = OFF,
) -> list[Sent]:
    """Sends one institution's documents, waits for their answers, and tells of each in the order of the file.

    Args:
        profile: the sender's.
        documents: submission id and record.
        parked: asks what waits; called in a thread.
        seconds: how long answers are waited for.
        tracing: records a span for each document.

    Raises: KafkaUnreachable
    """
    wanted = [Wanted.of(submission_id, record) for submission_id, record in documents]
    async with (
        Mailbox(profile) as mailbox,
        Publisher({profile.uscc: profile}, tracing=tracing) as publisher,
    ):
        await mailbox.skip_to_end()
        await publisher.send([record for _, record in documents])
        inbox = _Inbox()
        deadline = time.monotonic() + seconds
        reader = asyncio.create_task(inbox.fill(mailbox))
        waiting: dict[tuple[str, str], Mapping[str, Any]] = {}
        try:
            while (open_ := inbox.lacks(wanted)) and time.monotonic() < deadline:
                if await inbox.more(reader):
                    continue
                waiting = await asyncio.to_thread(_ask, parked, profile.uscc, open_)
                if all((one.service, one.submission_id) in waiting for one in inbox.lacks(wanted)):
                    break
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
    return [_became(one, inbox.receipts, waiting) for one in wanted]


class _Inbox:
    """Receipts as they come, by the digest of what they answer."""

    def __init__(self) -> None:
        self.receipts: dict[str, Receipt] = {}
        self._came = asyncio.Event()

    async def fill(self, mailbox: Mailbox) -> None:
        async for receipt in mailbox.follow():
            self.receipts[receipt.digest] = receipt
            self._came.set()

    def lacks(self, wanted: Iterable[Wanted]) -> list[Wanted]:
        return [one for one in wanted if one.digest not in self.receipts]

    async def more(self, reader: asyncio.Task[None]) -> bool:
        """Whether a receipt came within a second. Raises what the reader raised."""
        self._came.clear()
        looking = asyncio.create_task(self._came.wait())
        await asyncio.wait({looking, reader}, timeout=ASK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        looking.cancel()
        if reader.done():
            reader.result()
        return self._came.is_set()


def _ask(parked: Parked, uscc: str, open_: Iterable[Wanted]) -> dict[tuple[str, str], Mapping[str, Any]]:
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for service in {one.service for one in open_}:
        found |= {(service, submission): row for submission, row in parked(service, uscc).items()}
    return found


def _became(
    one: Wanted, receipts: Mapping[str, Receipt], waiting: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Sent:
    receipt = receipts.get(one.digest)
    if receipt is not None:
        return Sent(one.submission_id, one.service, receipt.outcome, receipt)
    row = waiting.get((one.service, one.submission_id))
    if row is not None:
        awaited, due = str(row["awaited"]), str(row["due"] or "")
        return Sent(one.submission_id, one.service, "parked", awaited=awaited, due=due)
    return Sent(one.submission_id, one.service, "none")
