"""How certification decides what assessment bodies send: registrations, results, approvals.

A list with something unknown waits whole; a line that the rules refuse leaves the other lines alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from services.certification.domain import keys
from services.certification.domain.assessment_body import assessment_body
from services.certification.domain.candidate import (
    ApproveResult,
    RecordResult,
    RegisterCandidate,
    candidate,
    judge_assessment_day,
    judge_issue_day,
    judge_registration,
)
from shared.contracts import enrolment, submission
from shared.contracts.certification import CandidateRegistered
from shared.contracts.enrolment import TraineeEnrolled, TrainingCompleted, TrainingNotCompleted
from shared.contracts.fact import Fact, type_of
from shared.contracts.intake import Reason
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft, as_far_as_known
from shared.identity import candidate_id, enrolment_id, institution_id
from shared.intake.handling import Accepted, Handler, Handlers, Outcome, Parked, Submitted
from shared.policy.book import PolicyBook
from shared.refusal import Refusal

ASSESS = "D5"
"""Duty of registering and marking (评价)."""
APPROVE_CERTIFICATE = "D6"
"""Duty of confirming results and issuing certificates (发证)."""

F = TypeVar("F", bound=Fact)
Line = Callable[[], list[str]]
"""One line's decision: stages its facts and answers their ids, or raises a `Refusal`."""
Registration = Submitted[submission.RegisterCandidate]
Results = Submitted[submission.RecordResults]
Approvals = Submitted[submission.ApproveResults]


def handlers(book: PolicyBook) -> Handlers:
    """Every submission type that certification takes, decided by this policy."""
    return {
        submission.RegisterCandidate: Handler(_reads_registration, _register),
        submission.RecordResults: Handler(_reads_results, partial(_record, book)),
        submission.ApproveResults: Handler(_reads_approvals, _approve),
    }


def _reads_registration(submitted: Registration, _draft: Draft) -> Reads:
    data = submitted.data
    body = institution_id(submitted.institution)
    trainee = enrolment_id(data.institution, data.enrolment_ref)
    return Reads(
        streams=frozenset((body, candidate_id(submitted.institution, data.candidate_ref))),
        foreign=_named((trainee,), TraineeEnrolled, TrainingCompleted, TrainingNotCompleted),
    )


def _register(submitted: Registration, draft: Draft) -> Outcome:
    data, person = submitted.data, submitted.person
    assert person is not None, "the vault resolves the person before any decision"
    trainee = enrolment_id(data.institution, data.enrolment_ref)
    command = RegisterCandidate(
        candidate_id=candidate_id(submitted.institution, data.candidate_ref),
        candidate_ref=data.candidate_ref,
        assessment_body=submitted.institution,
        institution=data.institution,
        person_id=person.person_id,
        enrolment_id=trainee,
        occupation_id=data.occupation_id,
        level=data.level,
        business_date=submitted.business_date,
        approvals=draft.state(assessment_body, institution_id(submitted.institution)),
        enrolled=_told(draft, TraineeEnrolled, trainee),
        verdict=_told(draft, TrainingCompleted, trainee) or _told(draft, TrainingNotCompleted, trainee),
    )
    known = draft.state(candidate, command.candidate_id).registered
    if known is None and command.must_wait:
        judge_registration(command)
        return Parked(keys.training_verdict(trainee))
    told = known or command.enrolled
    assert told is not None, "what need not wait is known"
    given = submitted.given(region=told.region, correlation=trainee, duty=ASSESS)
    return Accepted(draft.execute(candidate, command.candidate_id, command, given))


def _reads_results(submitted: Results, draft: Draft) -> Reads:
    streams = _streams(submitted.institution, submitted.data.lines)

    def verdicts() -> Reads:
        known = [draft.state(candidate, stream).registered for stream in streams]
        enrolments = [row.enrolment_id for row in known if row is not None]
        return Reads(foreign=_named(enrolments, TrainingCompleted))

    return as_far_as_known(Reads(streams=streams), verdicts)


def _record(book: PolicyBook, submitted: Results, draft: Draft) -> Outcome:
    data = submitted.data
    judge_assessment_day(data.assessed_on, submitted.business_date)
    lines: list[Line] = []
    for line in data.lines:
        stream = candidate_id(submitted.institution, line.candidate_ref)
        known = draft.state(candidate, stream).registered
        if known is None:
            return Parked(keys.candidate_known(stream))
        completed = _told(draft, TrainingCompleted, known.enrolment_id)
        if completed is None:
            return Parked(keys.training_verdict(known.enrolment_id))
        lines.append(partial(_record_line, book, submitted, draft, line, completed))
    return _line_by_line(lines)


def _record_line(
    book: PolicyBook,
    submitted: Results,
    draft: Draft,
    line: submission.ResultLine,
    completed: TrainingCompleted,
) -> list[str]:
    command = RecordResult(
        assessment_body=submitted.institution,
        assessed_on=submitted.data.assessed_on,
        theory=line.theory,
        practice=line.practice,
        completed_on=completed.completed_on,
        business_date=submitted.business_date,
        procedure=book.procedure(completed.region, submitted.business_date),
    )
    given = submitted.given(region=completed.region, correlation=completed.enrolment_id, duty=ASSESS)
    return draft.execute(candidate, candidate_id(submitted.institution, line.candidate_ref), command, given)


def _reads_approvals(submitted: Approvals, _draft: Draft) -> Reads:
    numbers = {line.certificate_no for line in submitted.data.lines if line.certificate_no}
    return Reads(
        streams=_streams(submitted.institution, submitted.data.lines),
        reservations=frozenset((keys.CERTIFICATE_NUMBERS, number) for number in numbers),
    )


def _approve(submitted: Approvals, draft: Draft) -> Outcome:
    judge_issue_day(submitted.data.issued_on, submitted.business_date)
    lines: list[Line] = []
    for line in submitted.data.lines:
        stream = candidate_id(submitted.institution, line.candidate_ref)
        found = draft.state(candidate, stream)
        if found.registered is None or found.result is None:
            return Parked(keys.result_known(stream))
        lines.append(partial(_approve_line, submitted, draft, line, found.registered))
    return _line_by_line(lines)


def _approve_line(
    submitted: Approvals, draft: Draft, line: submission.ApprovalLine, known: CandidateRegistered
) -> list[str]:
    data, number = submitted.data, line.certificate_no
    command = ApproveResult(
        assessment_body=submitted.institution,
        certificate_no=number,
        certificate_kind=data.certificate_kind,
        norm=data.norm,
        issued_on=data.issued_on,
        business_date=submitted.business_date,
        number_holder=draft.holder(keys.CERTIFICATE_NUMBERS, number) if number else None,
    )
    given = submitted.given(region=known.region, correlation=known.enrolment_id, duty=APPROVE_CERTIFICATE)
    return draft.execute(candidate, known.candidate_id, command, given)


def _line_by_line(lines: Sequence[Line]) -> Accepted:
    """Decides each line on what the lines before it staged; a refused line stages nothing."""
    facts: list[str] = []
    refused: list[Reason] = []
    for number, decide in enumerate(lines, 1):
        try:
            facts += decide()
        except Refusal as refusal:
            refused.append(Reason(code=refusal.code, field=refusal.field, line=number))
    return Accepted(facts, len(lines), refused)


def _streams(body: str, lines: Sequence[submission.ResultLine | submission.ApprovalLine]) -> frozenset[str]:
    return frozenset(candidate_id(body, line.candidate_ref) for line in lines)


def _named(subjects: Iterable[str], *classes: type[Fact]) -> frozenset[tuple[str, str]]:
    names = [type_of(enrolment.SERVICE, cls).name for cls in classes]
    return frozenset((name, subject) for subject in subjects for name in names)


def _told(draft: Draft, cls: type[F], subject: str) -> F | None:
    fact = draft.foreign(enrolment.SERVICE, cls, subject)
    return None if fact is None else fact.data
