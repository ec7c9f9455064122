"""How enrolment decides what training institutions send.

Every id derives from the sender's USCC: a submission can't name another institution's class or trainee.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from services.enrolment.domain import training_class as classes
from services.enrolment.domain.enrolment import (
    AttendSession,
    EnrolmentOfOtherClass,
    EnrolTrainee,
    JudgeTraining,
    MinutesOverSession,
    enrolment,
)
from services.enrolment.domain.keys import SESSIONS, class_approved, enrolled, roster, sheet
from services.enrolment.domain.training_class import training_class
from shared import identity
from shared.contracts import submission as sent
from shared.contracts.enrolment import GroupCommitment, PlannedSession
from shared.contracts.fact import Circumstances
from shared.contracts.intake import Reason
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.intake.handling import Accepted, Handler, Handlers, Outcome, Parked, ResolvedPerson, Submitted
from shared.policy.book import PolicyBook

_enrolment_id = lru_cache(maxsize=16_384)(identity.enrolment_id)
"""Every sheet names its trainees again: an id is derived once, not three times a session."""


def handlers(book: PolicyBook) -> Handlers:
    """The service's handlers, by type of submission."""
    decisions = _Decisions(
        book=book,
        regions=frozenset(region.code for region in book.regions()),
        occupations=frozenset(occupation.id for occupation in book.occupations()),
        kinds=frozenset(kind.code for kind in book.codes("training_kind")),
    )
    return {
        sent.ApplyClass: Handler(reads=_reads_application, decide=decisions.apply_class),
        sent.EnrolTrainee: Handler(reads=_reads_enrolment, decide=decisions.enrol_trainee),
        sent.RecordAttendanceSheet: Handler(reads=_reads_sheet, decide=decisions.record_sheet),
        sent.CompleteClass: Handler(reads=_reads_completion, decide=decisions.complete_class),
    }


def _reads_application(submitted: Submitted[sent.ApplyClass], _draft: Draft) -> Reads:
    uscc, data = submitted.institution, submitted.data
    sessions = (identity.session_id(uscc, session.session_ref) for session in data.sessions)
    return Reads(
        streams=frozenset((identity.class_id(uscc, data.class_ref),)),
        reservations=frozenset((SESSIONS, name) for name in sessions),
    )


def _reads_enrolment(submitted: Submitted[sent.EnrolTrainee], _draft: Draft) -> Reads:
    uscc, data = submitted.institution, submitted.data
    class_id = identity.class_id(uscc, data.class_ref)
    return Reads(
        streams=frozenset((class_id, identity.enrolment_id(uscc, data.enrolment_ref))),
        scopes=frozenset((roster(class_id),)),
    )


def _reads_sheet(submitted: Submitted[sent.RecordAttendanceSheet], _draft: Draft) -> Reads:
    uscc, data = submitted.institution, submitted.data
    named = (_enrolment_id(uscc, line.enrolment_ref) for line in data.lines)
    return Reads(streams=frozenset((identity.class_id(uscc, data.class_ref), *named)))


def _reads_completion(submitted: Submitted[sent.CompleteClass], draft: Draft) -> Reads:
    """The class first; the roster and its enrolments only once every sheet is there."""
    class_id = identity.class_id(submitted.institution, submitted.data.class_ref)
    state = draft.state(training_class, class_id)
    if state.status != "approved" or state.missing_session is not None:
        return Reads(streams=frozenset((class_id,)))
    scope = roster(class_id)
    return Reads(
        streams=frozenset((class_id, *draft.holders(scope).values())),
        scopes=frozenset((scope,)),
    )


@dataclass(frozen=True, slots=True)
class _Decisions:
    """Decisions under a policy book; `regions` are the codes of the ten that answer for classes, `kinds` training's."""

    book: PolicyBook
    regions: frozenset[str]
    occupations: frozenset[str]
    kinds: frozenset[str]

    def apply_class(self, submitted: Submitted[sent.ApplyClass], draft: Draft) -> Outcome:
        """开班申请."""
        uscc, data = submitted.institution, submitted.data
        class_id = identity.class_id(uscc, data.class_ref)
        sessions = [_planned(uscc, session) for session in data.sessions]
        region_known = data.region in self.regions
        command = classes.ApplyClass(
            class_id=class_id,
            class_ref=data.class_ref,
            institution=uscc,
            region=data.region,
            occupation_id=data.occupation_id,
            level=data.level,
            training_kind=data.training_kind,
            programme_tags=data.programme_tags,
            max_trainees=data.max_trainees,
            sessions=sessions,
            region_known=region_known,
            occupation_known=data.occupation_id in self.occupations,
            kind_known=data.training_kind in self.kinds,
            procedure=self.book.procedure(data.region, submitted.business_date) if region_known else None,
            sessions_taken=frozenset(
                session.session_id
                for session in sessions
                if draft.holder(SESSIONS, session.session_id) is not None
            ),
            business_date=submitted.business_date,
        )
        given = submitted.given(region=data.region, correlation=class_id)
        return Accepted(draft.execute(training_class, class_id, command, given))

    def enrol_trainee(self, submitted: Submitted[sent.EnrolTrainee], draft: Draft) -> Outcome:
        """报名: waits for the class's approval."""
        uscc, data = submitted.institution, submitted.data
        class_id = identity.class_id(uscc, data.class_ref)
        training = draft.state(training_class, class_id)
        if not training.approved:
            return Parked(class_approved(class_id))
        born = identity.birth_date(data.trainee.national_id)
        if submitted.person is None or born is None:
            raise ValueError("an enrolment reached its decision without a checked and resolved person")
        enrolment_id = identity.enrolment_id(uscc, data.enrolment_ref)
        seats = draft.holders(roster(class_id))
        command = EnrolTrainee(
            enrolment_id=enrolment_id,
            enrolment_ref=data.enrolment_ref,
            training_class=training,
            person_id=submitted.person.person_id,
            holder=seats.get(submitted.person.person_id),
            seated=len(seats),
            age=identity.age_on(born, training.first_day),
            groups=_groups(data.groups, submitted.person),
            procedure=self.book.procedure(training.region, submitted.business_date),
        )
        given = submitted.given(region=training.region, correlation=enrolment_id)
        return Accepted(draft.execute(enrolment, enrolment_id, command, given))

    def record_sheet(self, submitted: Submitted[sent.RecordAttendanceSheet], draft: Draft) -> Outcome:
        """考勤表: judged as a whole first, waits whole for an unknown enrolment, then line by line."""
        uscc, data = submitted.institution, submitted.data
        class_id = identity.class_id(uscc, data.class_ref)
        training = draft.state(training_class, class_id)
        if not training.approved:
            return Parked(class_approved(class_id))
        command = classes.RecordSheet(
            class_id=class_id,
            session_id=identity.session_id(uscc, data.session_ref),
            lines=len(data.lines),
            evidence=data.evidence,
            business_date=submitted.business_date,
        )
        classes.check_sheet(command, training)
        session = training.sessions[command.session_id]
        lines = [_line(uscc, class_id, session, line) for line in data.lines]
        for line in lines:
            if not draft.state(enrolment, line.enrolment_id).known:
                return Parked(enrolled(line.enrolment_id))
        given = submitted.given(region=training.region, correlation=class_id)
        facts = draft.execute(training_class, class_id, command, given)
        attended, refused = _attended(draft, lines, given)
        return Accepted(facts + attended, lines=len(lines), refused=refused)

    def complete_class(self, submitted: Submitted[sent.CompleteClass], draft: Draft) -> Outcome:
        """结业: waits for the class's approval and every sheet, then judges each trainee."""
        class_id = identity.class_id(submitted.institution, submitted.data.class_ref)
        training = draft.state(training_class, class_id)
        if not training.approved:
            return Parked(class_approved(class_id))
        if training.status == "completed":
            raise classes.ClassAlreadyCompleted("data.class_ref")
        if training.missing_session is not None:
            return Parked(sheet(training.missing_session))
        given = submitted.given(region=training.region, correlation=class_id)
        procedure = self.book.procedure(training.region, submitted.business_date)
        seats = sorted(draft.holders(roster(class_id)).values())
        facts: list[str] = []
        for enrolment_id in seats:
            judge = JudgeTraining(
                enrolment_id=enrolment_id,
                planned_minutes=training.counted_minutes,
                ended_on=training.ended_on,
                procedure=procedure,
            )
            facts += draft.execute(enrolment, enrolment_id, judge, given)
        verdicts = [draft.state(enrolment, enrolment_id).verdict for enrolment_id in seats]
        end = classes.CompleteClass(
            class_id=class_id,
            completed=verdicts.count("completed"),
            not_completed=verdicts.count("not_completed"),
        )
        return Accepted(facts + draft.execute(training_class, class_id, end, given))


def _planned(uscc: str, session: sent.SessionPlan) -> PlannedSession:
    return PlannedSession(
        session_id=identity.session_id(uscc, session.session_ref),
        session_ref=session.session_ref,
        held_on=session.held_on,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        minutes=_minute_of_day(session.ends_at) - _minute_of_day(session.starts_at),
        teacher_ref=session.teacher_ref,
    )


def _minute_of_day(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _groups(groups: list[sent.Group], person: ResolvedPerson) -> list[GroupCommitment]:
    return [
        GroupCommitment(
            commitment=person.commitments[group.group], evidence=group.evidence, as_of=group.as_of
        )
        for group in groups
    ]


def _line(uscc: str, class_id: str, session: PlannedSession, line: sent.AttendanceLine) -> AttendSession:
    return AttendSession(
        enrolment_id=_enrolment_id(uscc, line.enrolment_ref),
        class_id=class_id,
        session_id=session.session_id,
        minutes=line.minutes,
        session_minutes=session.minutes,
        method=line.method,
    )


def _attended(
    draft: Draft, lines: list[AttendSession], given: Circumstances
) -> tuple[list[str], list[Reason]]:
    """Stages each line on its trainee's stream; a line that is refused leaves the others standing."""
    facts: list[str] = []
    refused = []
    for number, line in enumerate(lines, 1):
        try:
            facts += draft.execute(enrolment, line.enrolment_id, line, given)
        except (EnrolmentOfOtherClass, MinutesOverSession) as refusal:
            refused.append(Reason(code=refusal.code, field=refusal.field, line=number))
    return facts, refused
