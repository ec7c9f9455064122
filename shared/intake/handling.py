"""What a service's `submissions.py` is written in: a checked submission in, an outcome out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from shared.contracts.fact import Circumstances
from shared.contracts.intake import Origin, Reason
from shared.contracts.submission import Submission
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.vault.persons import ResolvedPerson as ResolvedPerson  # noqa: PLC0414  handlers take it from here

D = TypeVar("D", bound=Submission)


@dataclass(frozen=True, slots=True)
class Submitted(Generic[D]):
    """A submission whose signature, form and sender's kind are right.

    Attributes:
        institution: the sender's USCC.
        receipt_id: its receipt's stream; the causation id of every fact it leads to.
        person: None where the type names no person.
        business_date: on which it is decided.
        traceparent: the trace it belongs to.
    """

    institution: str
    submission_id: str
    receipt_id: str
    data: D
    origin: Origin
    person: ResolvedPerson | None
    business_date: date
    traceparent: str
    occurredat: Any

    def given(
        self, *, region: str, correlation: str, duty: str = "D1", actor: str = "institution"
    ) -> Circumstances:
        """The circumstances of a fact that this submission leads to.

        Args:
            region: the class's managing authority.
            correlation: the episode, else the case.
            actor: "institution", or "bank".
            duty: the sender's duty in the matrix: D1 for an institution's truth, D5 and D6 for assessment,
                D7 for a claim, D15 for a bank's receipt.
        """
        return Circumstances(
            occurredat=self.occurredat,
            businessdate=self.business_date,
            actor=f"{actor}:{self.institution}",
            duty=duty,
            region=region,
            correlationid=correlation,
            causationid=self.receipt_id,
            traceparent=self.traceparent,
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """It took effect.

    Attributes:
        facts: ids of the facts staged.
        lines: how many lines it had; 0 where it is no list.
        refused: lines that took no effect, each with its reason.
    """

    facts: list[str]
    lines: int = 0
    refused: list[Reason] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rejected:
    """It took no effect. A `Refusal` raised by a handler becomes this by itself."""

    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Parked:
    """It must wait.

    Attributes:
        awaited: the key by which it is woken: the effect `Wake(awaited)` of the fact that it waits for.
            "<what>:<id>", told to the sender while it waits and when the deadline rejects it.
    """

    awaited: str


Outcome = Accepted | Rejected | Parked


@dataclass(frozen=True, slots=True)
class Handler(Generic[D]):
    """How a service decides one type of submission.

    Attributes:
        reads: what `decide` will look at, as far as the data tells; `decide` may find that it needs more.
        decide: stages facts on the draft and answers the outcome, or raises a `Refusal`.
    """

    reads: Callable[[Submitted[D], Draft], Reads]
    decide: Callable[[Submitted[D], Draft], Outcome]


Handlers = Mapping[type[Submission], Handler[Any]]
