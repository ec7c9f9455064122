"""Spans of the intake: one a submission, in the trace that it came with, and one a transaction, linked to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.contracts.intake import Origin
from shared.contracts.submission import SUBMISSIONS
from shared.eventstore.execute import Done
from shared.intake.incoming import Attributed, Unattributable
from shared.telemetry.conventions import (
    EVENT_TYPE,
    FACTS,
    OFFSET,
    OUTCOME,
    PARTITION,
    committing,
    processing,
    transaction,
)
from shared.telemetry.traceparent import is_sampled
from shared.telemetry.tracing import Around, Tracing, now
from shared.telemetry.wire import MAX_LINKS


class Traced(NamedTuple):
    """A submission whose span will be recorded.

    Attributes:
        type: of the submission; "" where it is none that we know: what a sender writes there may be anything.
        links: the span that parked it.
    """

    context: str
    parent: str
    topic: str
    partition: int
    offset: int
    type: str
    links: tuple[str, ...] = ()


class IntakeSpans:
    """Records what became of submissions."""

    def __init__(self, tracing: Tracing, group: str) -> None:
        self._tracing = tracing
        self._group = group

    def fresh(self, rows: Sequence[Attributed | Unattributable]) -> list[Traced | None]:
        """What to record of records that were read, in their order; None for those that aren't sampled."""
        return [
            _traced(
                one.origin,
                row.found.type if isinstance(row, Attributed) else "",
                one.traceparent,
                one.parent,
            )
            if is_sampled((one := row.incoming).traceparent)
            else None
            for row in rows
        ]

    def woken(self, origin: Origin, submission_type: str, context: str, parked: str) -> Traced | None:
        """The same of one that was parked by the span `parked`: in the same trace, linked to it."""
        return _traced(origin, submission_type, context, parked, parked) if is_sampled(context) else None

    def committing(self, topic: str) -> Around:
        """The span of a transaction."""
        return Around(self._tracing, committing(topic, self._group))

    def record(
        self, batch: Around, submissions: Sequence[Traced | None], done: Done[str], start: int
    ) -> None:
        """Records the submissions that a transaction decided, and tells its span of them."""
        batch.add(transaction(len(done.results), sum(done.facts), done.conflicts, done.seconds))
        end, link = now(), (batch.context,) if is_sampled(batch.context) else ()
        for one, outcome, facts in zip(submissions, done.results, done.facts, strict=False):
            if one is None:
                continue
            if len(batch.links) < MAX_LINKS:
                batch.links.append(one.context)
            attributes: dict[str, str | int] = {
                PARTITION: str(one.partition),
                OFFSET: one.offset,
                OUTCOME: outcome,
                FACTS: facts,
            }
            if one.type:
                attributes[EVENT_TYPE] = one.type
            self._tracing.record(
                processing(one.topic, self._group), one.context, start=start, parent=one.parent, end=end,
                attributes=attributes, links=one.links + link,
            )  # fmt: skip


def _traced(origin: Origin, submission_type: str, context: str, parent: str, *links: str) -> Traced:
    known = submission_type if submission_type in SUBMISSIONS else ""
    return Traced(context, parent, origin.topic, origin.partition, origin.offset, known, links)
