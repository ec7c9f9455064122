"""HTTP commands: decided like submissions, answered once, the same answer to every repetition.

A command's causation id is UUIDv5 of service, actor and Idempotency-Key. The answer is written in the
transaction of its facts, so a repetition finds it, whatever crashed in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec

from shared.access.actor import Actor
from shared.access.answers import problem, status_of
from shared.contracts.fact import PROVINCE, Circumstances
from shared.contracts.intake import ActionRefused
from shared.decider import Decider
from shared.eventstore.businessdate import business_date, business_day_reads, business_time
from shared.eventstore.changes import Answer, Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.eventstore.recovered import COMMANDS
from shared.identity import derive_id
from shared.refusal import Refusal

RECOVERED = "action.recovered"
MAX_REFUSALS_A_DAY = 20
"""Refused attempts of one handler that are recorded a business date: a fact must not become a flood."""

T = TypeVar("T")


class ActionNotAuthenticated(Refusal):
    """No valid bearer token."""

    code = "action.not_authenticated"


class DutyNotHeld(Refusal):
    """The actor's token does not carry the duty."""

    code = "action.duty_not_held"


class IdempotencyKeyMissing(Refusal):
    """A command came without Idempotency-Key."""

    code = "action.idempotency_key_missing"


class IdempotencyKeyReused(Refusal):
    """The key was used for another request."""

    code = "action.idempotency_key_reused"


class NoDayOpen(Refusal):
    """The first business day is not open: nothing can be decided."""

    code = "businessday.not_open"


@dataclass(frozen=True, slots=True)
class Commanded:
    """One HTTP command under its circumstances.

    Attributes:
        causation_id: UUIDv5 of service, actor and Idempotency-Key.
    """

    actor: Actor
    causation_id: str
    traceparent: str
    now: datetime

    def given(self, draft: Draft, *, region: str, correlation: str, duty: str) -> Circumstances:
        """The circumstances of a fact that this command leads to. Raises: NoBusinessDayYet."""
        return self.given_on(business_date(draft), region=region, correlation=correlation, duty=duty)

    def given_on(self, day: date, *, region: str, correlation: str, duty: str) -> Circumstances:
        """The same on a day of the command's own: only opening a day decides on another than the open one."""
        return Circumstances(
            occurredat=business_time(day, self.now),
            businessdate=day,
            actor=self.actor.name,
            duty=duty,
            region=region,
            correlationid=correlation,
            causationid=self.causation_id,
            traceparent=self.traceparent,
        )


@dataclass(frozen=True, slots=True)
class HttpCommand:
    """A command with its Idempotency-Key, as a unit of work; answers JSON bytes.

    Attributes:
        body: the request's exact bytes: another body under one key is refused.
        decide: stages facts and returns the answer, msgspec-encodable. A `Refusal` that it raises goes to the
            caller and nothing is written; outcomes per line of a bulk decision are part of the answer.
    """

    commanded: Commanded
    body: bytes
    needs: Callable[[Draft], Reads]
    decide: Callable[[Draft, Commanded], Any]

    def reads(self, draft: Draft) -> Reads:
        """The stored answer first; what the decision needs unless there is one."""
        causation = self.commanded.causation_id
        answers = business_day_reads() | Reads(
            answers=frozenset((causation,)), reservations=frozenset(((COMMANDS, causation),))
        )
        if draft.answer(causation) is not None or draft.holder(COMMANDS, causation) is not None:
            return answers
        return answers | self.needs(draft)

    def perform(self, draft: Draft) -> bytes | Refusal:
        """The stored answer, or a decision with its answer."""
        causation = self.commanded.causation_id
        digest = hashlib.sha256(self.body).digest()
        known = draft.answer(causation)
        if known is not None:
            return known.answer if known.digest == digest else IdempotencyKeyReused()
        if (facts := draft.holder(COMMANDS, causation)) is not None:
            return _recovered(facts.split(","))
        try:
            answer = msgspec.json.encode(self.decide(draft, self.commanded))
        except Refusal as refusal:
            draft.abandon()
            return refusal
        draft.stage(Answer(causation, digest, answer))
        return answer


def _recovered(facts: list[str]) -> bytes:
    """The answer, as an `edge.Reply`, to what was decided before the database was restored: its own is gone."""
    body = problem(RECOVERED) | {"facts": facts}
    return msgspec.json.encode({"body": body, "status": status_of(RECOVERED)})


def causation_id(service: str, actor: Actor, key: str) -> str:
    """The id under which an HTTP command's facts and answer are known."""
    return derive_id(service, "http", actor.name, hashlib.sha256(key.encode()).hexdigest())


def run_command(executor: Executor, command: HttpCommand) -> bytes:
    """Decides, writes and answers. Blocks; call it from a thread. Raises: Refusal, StoreError."""
    result: bytes | Refusal = executor.run([command]).results[0]
    if isinstance(result, Refusal):
        raise result
    return result


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """Records one refused attempt."""

    fact: ActionRefused


def _record(command: RecordRefusal, recorded: int) -> list[ActionRefused]:
    return [command.fact] if recorded < MAX_REFUSALS_A_DAY else []


def _count(recorded: int, _event: ActionRefused) -> int:
    return recorded + 1


refused_actions: Decider[RecordRefusal, int, ActionRefused] = Decider(
    "refused_actions", 0, _record, _count, (ActionRefused,)
)


def refused_actions_id(service: str, actor: Actor, day: str) -> str:
    """The stream of a handler's refused attempts on one business date."""
    return derive_id(service, "refused", actor.id, day)


def record_refusal(
    draft: Draft, commanded: Commanded, refusal: Refusal, *, action: str, duty: str, subject: str
) -> None:
    """Stages `ActionRefused` (R63) in the actor's own stream, up to the day's cap."""
    actor = commanded.actor
    stream = refused_actions_id(draft.service, actor, business_date(draft).isoformat())
    fact = ActionRefused(handler_id=actor.id, action=action, duty=duty, code=refusal.code, subject=subject)
    given = commanded.given(draft, region=PROVINCE, correlation=stream, duty=duty)
    draft.execute(refused_actions, stream, RecordRefusal(fact), given)
