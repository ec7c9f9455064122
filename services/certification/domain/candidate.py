"""A candidate (考生): registered for assessment, marked, approved, and certified on a pass. One certificate each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import assert_never

from services.certification.domain import rules
from services.certification.domain.assessment_body import AssessmentBody
from services.certification.domain.refusals import (
    CandidateOfOtherBody,
    CandidateReferenceUsed,
    CandidateUnknown,
    CertificateBeforeAssessment,
    CertificateInFuture,
    CertificateNumberForFailed,
    CertificateNumberMissing,
    CertificateNumberUsed,
    OccupationDiffers,
    PersonDiffers,
    ResultAlreadyApproved,
    ResultAlreadyRecorded,
    ResultBeforeTrainingEnd,
    ResultInFuture,
    ResultUnknown,
    TrainerMayNotAssess,
    TrainingNotDone,
)
from shared.contracts.certification import (
    AssessmentResultApproved,
    AssessmentResultRecorded,
    CandidateRegistered,
    CertificateIssued,
)
from shared.contracts.enrolment import TraineeEnrolled, TrainingCompleted, TrainingNotCompleted
from shared.decider import Decider
from shared.identity import certificate_id
from shared.policy.rules import Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCandidate:
    """Registers a trainee for assessment.

    Attributes:
        assessment_body, institution: USCCs of who assesses and who trained.
        person_id: whom the vault found under the submitted ID number.
        approvals: the body's, as its own stream tells.
        enrolled, verdict: what enrolment said of the trainee; None while it has not come.
    """

    candidate_id: str
    candidate_ref: str
    assessment_body: str
    institution: str
    person_id: str
    enrolment_id: str
    occupation_id: str
    level: str
    business_date: date
    approvals: AssessmentBody
    enrolled: TraineeEnrolled | None
    verdict: TrainingCompleted | TrainingNotCompleted | None

    @property
    def must_wait(self) -> bool:
        """Enrolment has not yet told all that the decision rests on."""
        return self.enrolled is None or self.verdict is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """Records the marks of one candidate, in points of 100.

    Attributes:
        assessment_body: the sender's USCC.
        completed_on: when the training ended.
        procedure: the policy in force for the candidate's region on the business date.
    """

    assessment_body: str
    assessed_on: date
    theory: int
    practice: int
    completed_on: date
    business_date: date
    procedure: Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveResult:
    """Approves a result; who passed gets the certificate.

    Attributes:
        assessment_body: the sender's USCC.
        certificate_no: "" for a candidate who failed.
        number_holder: the id of the certificate that has the number already, or None.
    """

    assessment_body: str
    certificate_no: str
    certificate_kind: str
    norm: str
    issued_on: date
    business_date: date
    number_holder: str | None


Command = RegisterCandidate | RecordResult | ApproveResult
Event = CandidateRegistered | AssessmentResultRecorded | AssessmentResultApproved | CertificateIssued


@dataclass(frozen=True, slots=True)
class Result:
    """What an approval rests on."""

    assessed_on: date
    passed: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """Nothing is registered in the initial state; each part comes by its own fact."""

    registered: CandidateRegistered | None = None
    result: Result | None = None
    approved: bool = False


def judge_assessment_day(assessed_on: date, business_date: date) -> None:
    """The day holds for a whole list, so it is judged before any line. Raises: ResultInFuture."""
    if assessed_on > business_date:
        raise ResultInFuture("data.assessed_on")


def judge_issue_day(issued_on: date, business_date: date) -> None:
    """The day holds for a whole list, so it is judged before any line. Raises: CertificateInFuture."""
    if issued_on > business_date:
        raise CertificateInFuture("data.issued_on")


def judge_registration(command: RegisterCandidate) -> None:
    """Refuses as soon as what is known suffices to; silent where the missing could only confirm it.

    Raises: BodyNotApproved, ScopeNotCovered, TrainerMayNotAssess, PersonDiffers, OccupationDiffers,
        TrainingNotDone.
    """
    command.approvals.may_assess(command.occupation_id, command.level, command.business_date)
    if not rules.is_independent(command.assessment_body, command.institution):
        raise TrainerMayNotAssess("data.institution")
    if command.enrolled is not None:
        if command.enrolled.person_id != command.person_id:
            raise PersonDiffers("data.trainee")
        if (command.enrolled.occupation_id, command.enrolled.level) != (command.occupation_id, command.level):
            raise OccupationDiffers("data.occupation_id")
    if isinstance(command.verdict, TrainingNotCompleted):
        raise TrainingNotDone("data.enrolment_ref")


def decide(command: Command, candidate: Candidate) -> list[Event]:
    """Refuses what stands already: the same submission again is answered by its receipt, before any decision.

    Raises: what `judge_registration` does, and the refusals of candidates and results.
    """
    match command:
        case RegisterCandidate():
            return _register(command, candidate)
        case RecordResult():
            return _record(command, candidate)
        case ApproveResult():
            return _approve(command, candidate)
        case _ as never:
            assert_never(never)


def _register(command: RegisterCandidate, candidate: Candidate) -> list[Event]:
    if candidate.registered is not None:
        raise CandidateReferenceUsed("data.candidate_ref")
    judge_registration(command)
    if command.enrolled is None or command.verdict is None:
        raise TrainingNotDone("data.enrolment_ref")
    return [
        CandidateRegistered(
            candidate_id=command.candidate_id,
            candidate_ref=command.candidate_ref,
            assessment_body=command.assessment_body,
            person_id=command.person_id,
            enrolment_id=command.enrolment_id,
            institution=command.institution,
            occupation_id=command.occupation_id,
            level=command.level,
            region=command.enrolled.region,
        )
    ]


def _record(command: RecordResult, candidate: Candidate) -> list[Event]:
    registered = _of_body(candidate, command.assessment_body)
    judge_assessment_day(command.assessed_on, command.business_date)
    if not rules.assessed_after_training(command.assessed_on, command.completed_on):
        raise ResultBeforeTrainingEnd("data.assessed_on")
    if candidate.result is not None:
        raise ResultAlreadyRecorded("data.lines.candidate_ref")
    passed = rules.passes(command.theory, command.practice, command.procedure)
    marks: dict[str, str | int] = {"theory": command.theory, "practice": command.practice}
    return [
        AssessmentResultRecorded(
            candidate_id=registered.candidate_id,
            enrolment_id=registered.enrolment_id,
            assessed_on=command.assessed_on,
            theory=command.theory,
            practice=command.practice,
            passed=passed,
            trace=command.procedure.judged("pass_mark", marks, "PASSED" if passed else "FAILED"),
        )
    ]


def _approve(command: ApproveResult, candidate: Candidate) -> list[Event]:
    registered = _of_body(candidate, command.assessment_body)
    if candidate.result is None:
        raise ResultUnknown("data.lines.candidate_ref")
    judge_issue_day(command.issued_on, command.business_date)
    if candidate.approved:
        raise ResultAlreadyApproved("data.lines.candidate_ref")
    approved = AssessmentResultApproved(
        candidate_id=registered.candidate_id,
        enrolment_id=registered.enrolment_id,
        passed=candidate.result.passed,
    )
    if not candidate.result.passed:
        if command.certificate_no:
            raise CertificateNumberForFailed("data.lines.certificate_no")
        return [approved]
    return [approved, _certificate(command, registered, candidate.result)]


def _certificate(
    command: ApproveResult, registered: CandidateRegistered, result: Result
) -> CertificateIssued:
    if not command.certificate_no:
        raise CertificateNumberMissing("data.lines.certificate_no")
    if command.number_holder is not None:
        raise CertificateNumberUsed("data.lines.certificate_no")
    if command.issued_on < result.assessed_on:
        raise CertificateBeforeAssessment("data.issued_on")
    return CertificateIssued(
        certificate_id=certificate_id(registered.candidate_id),
        certificate_no=command.certificate_no,
        certificate_kind=command.certificate_kind,
        candidate_id=registered.candidate_id,
        person_id=registered.person_id,
        enrolment_id=registered.enrolment_id,
        assessment_body=registered.assessment_body,
        institution=registered.institution,
        occupation_id=registered.occupation_id,
        level=registered.level,
        region=registered.region,
        issued_on=command.issued_on,
        norm=command.norm,
    )


def _of_body(candidate: Candidate, assessment_body: str) -> CandidateRegistered:
    if candidate.registered is None:
        raise CandidateUnknown("data.lines.candidate_ref")
    if candidate.registered.assessment_body != assessment_body:
        raise CandidateOfOtherBody("data.lines.candidate_ref")
    return candidate.registered


def evolve(candidate: Candidate, event: Event) -> Candidate:
    """Folds one fact; judges nothing."""
    match event:
        case CandidateRegistered():
            return replace(candidate, registered=event)
        case AssessmentResultRecorded():
            return replace(candidate, result=Result(event.assessed_on, event.passed))
        case AssessmentResultApproved():
            return replace(candidate, approved=True)
        case CertificateIssued():
            return candidate
        case _ as never:
            assert_never(never)


candidate: Decider[Command, Candidate, Event] = Decider(
    "candidate",
    Candidate(),
    decide,
    evolve,
    (CandidateRegistered, AssessmentResultRecorded, AssessmentResultApproved, CertificateIssued),
)
