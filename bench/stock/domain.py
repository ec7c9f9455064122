"""Aggregates and applications of the library `eventsourcing`, declared as its documentation shows.

Rules are left out that the product has: policy, duty checks, reservations, the vault, parking. What is measured is
the path: as many facts follow from each submission as in the product, and every stream is read before it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from bench.stock import submissions as sent
from shared.identity import NAMESPACE


def named(*parts: str) -> UUID:
    """The id of something by its owner, kind and reference, with the standard library."""
    return uuid5(NAMESPACE, "/".join(parts))


class Receipt(Aggregate):
    """The answer to one submission."""

    @event("SubmissionAccepted")
    def __init__(self, institution: str, submission_id: str, fact_count: int) -> None:
        self.institution = institution
        self.submission_id = submission_id
        self.fact_count = fact_count

    @staticmethod
    def create_id(institution: str, submission_id: str) -> UUID:
        """One a submission."""
        return named(institution, "receipt", submission_id)


class TrainingClass(Aggregate):
    """A class."""

    @event("ClassApplied")
    def __init__(self, institution: str, class_ref: str, sessions: int) -> None:
        self.institution = institution
        self.class_ref = class_ref
        self.planned = sessions
        self.recorded: list[tuple[str, str]] = []
        self.enrolments: list[str] = []
        self.completed = False

    @staticmethod
    def create_id(institution: str, class_ref: str) -> UUID:
        """By the institution's name for it."""
        return named(institution, "class", class_ref)

    @event("AttendanceSheetRecorded")
    def record_sheet(self, session_ref: str, evidence: str, enrolments: list[str]) -> None:
        """One session."""
        self.recorded.append((session_ref, evidence))
        self.enrolments = enrolments

    @event("ClassCompleted")
    def complete(self) -> None:
        """Every planned session has its sheet."""
        self.completed = True


class Enrolment(Aggregate):
    """One trainee in one class."""

    @event("TraineeEnrolled")
    def __init__(self, institution: str, enrolment_ref: str, class_ref: str, groups: list[str]) -> None:
        self.institution = institution
        self.enrolment_ref = enrolment_ref
        self.class_ref = class_ref
        self.groups = groups
        self.minutes = 0
        self.last = ("", "")
        self.completed = False

    @staticmethod
    def create_id(institution: str, enrolment_ref: str) -> UUID:
        """By the institution's name for it."""
        return named(institution, "enrolment", enrolment_ref)

    @event("SessionAttended")
    def attend(self, session_ref: str, minutes: int, method: str) -> None:
        """One line of a sheet."""
        self.minutes += minutes
        self.last = (session_ref, method)

    @event("TrainingCompleted")
    def complete(self, minutes: int) -> None:
        """Enough was attended."""
        self.minutes = minutes
        self.completed = True


class Candidate(Aggregate):
    """One person who is assessed."""

    @event("CandidateRegistered")
    def __init__(self, institution: str, candidate_ref: str, enrolment: str, level: str) -> None:
        self.institution = institution
        self.candidate_ref = candidate_ref
        self.level = level
        self.enrolment = enrolment
        self.theory = 0
        self.practice = 0
        self.approved = False
        self.certificate = ("", "")

    @staticmethod
    def create_id(institution: str, candidate_ref: str) -> UUID:
        """By the assessment body's name for it."""
        return named(institution, "candidate", candidate_ref)

    @event("AssessmentResultRecorded")
    def mark(self, theory: int, practice: int) -> None:
        """Both parts were assessed."""
        self.theory = theory
        self.practice = practice

    @event("AssessmentResultApproved")
    def approve(self) -> None:
        """The results hold."""
        self.approved = True

    @event("CertificateIssued")
    def certify(self, certificate_no: str, certificate_id: str) -> None:
        """It passed."""
        self.certificate = (certificate_no, certificate_id)


class Claim(Aggregate):
    """One person, one episode, one subsidy."""

    @event("SubsidyClaimed")
    def __init__(self, application: str, line: int, certificate_id: str) -> None:
        self.application = application
        self.line = line
        self.certificate_id = certificate_id

    @staticmethod
    def create_id(application: str, line: int) -> UUID:
        """A line of an application."""
        return named(application, "claim", str(line))


class Account(Aggregate):
    """What a person has claimed."""

    @event("EntitlementReserved")
    def __init__(self, certificate_id: str, claim_id: str) -> None:
        self.certificate_id = certificate_id
        self.claim_id = claim_id

    @staticmethod
    def create_id(certificate_id: str) -> UUID:
        """Here by certificate: the person stands in the vault, which the stock parts have not."""
        return named(certificate_id, "entitlement")


class Deciding(Application[UUID]):
    """What the three applications have in common."""

    def decide(self, submission: Any) -> Sequence[Any]:
        """Decides one submission and saves what follows. Returns the domain events."""
        changed = self.changed(submission)
        events = sum(len(one.pending_events) for one in changed)
        receipt = Receipt(submission.institution, submission.id, events)
        return [recording.domain_event for recording in self.save(*changed, receipt)]

    def changed(self, submission: Any) -> list[Aggregate]:
        """The aggregates with what follows from a submission."""
        raise LookupError(type(submission).__name__)


class Enrolments(Deciding):
    """Enrolment."""

    def changed(self, submission: Any) -> list[Aggregate]:
        """See `Deciding`."""
        uscc = submission.institution
        match submission:
            case sent.Application(data=plan):
                return [TrainingClass(uscc, plan.class_ref, len(plan.sessions))]
            case sent.Enrolling(data=data):
                groups = [str(one["group"]) for one in data.groups]
                return [Enrolment(uscc, data.enrolment_ref, data.class_ref, groups)]
            case sent.Attending(data=sheet):
                return self._attended(uscc, sheet)
            case sent.Completing(data=closing):
                return self._completed(TrainingClass.create_id(uscc, closing.class_ref))
        return super().changed(submission)

    def _attended(self, uscc: str, sheet: sent.Sheet) -> list[Aggregate]:
        training: TrainingClass = self.repository.get(TrainingClass.create_id(uscc, sheet.class_ref))
        enrolments = []
        for line in sheet.lines:
            enrolment: Enrolment = self.repository.get(Enrolment.create_id(uscc, line.enrolment_ref))
            enrolment.attend(sheet.session_ref, line.minutes, line.method)
            enrolments.append(enrolment)
        training.record_sheet(sheet.session_ref, sheet.evidence, [str(one.id) for one in enrolments])
        return [training, *enrolments]

    def _completed(self, class_id: UUID) -> list[Aggregate]:
        training: TrainingClass = self.repository.get(class_id)
        training.complete()
        enrolments = []
        for one in training.enrolments:
            enrolment: Enrolment = self.repository.get(UUID(one))
            enrolment.complete(enrolment.minutes)
            enrolments.append(enrolment)
        return [training, *enrolments]


class Certifications(Deciding):
    """Certification."""

    def changed(self, submission: Any) -> list[Aggregate]:
        """See `Deciding`."""
        uscc = submission.institution
        match submission:
            case sent.Registering(data=data):
                enrolment = str(Enrolment.create_id(data.institution, data.enrolment_ref))
                return [Candidate(uscc, data.candidate_ref, enrolment, data.level)]
            case sent.Marking(data=marks):
                return [self._marked(uscc, one) for one in marks.lines]
            case sent.Certifying(data=numbers):
                return [self._certified(uscc, one) for one in numbers.lines]
        return super().changed(submission)

    def _marked(self, uscc: str, line: sent.Mark) -> Candidate:
        candidate: Candidate = self.repository.get(Candidate.create_id(uscc, line.candidate_ref))
        candidate.mark(line.theory, line.practice)
        return candidate

    def _certified(self, uscc: str, line: sent.Number) -> Candidate:
        candidate: Candidate = self.repository.get(Candidate.create_id(uscc, line.candidate_ref))
        candidate.approve()
        candidate.certify(line.certificate_no, str(named(str(candidate.id), "certificate")))
        return candidate


class Payments(Deciding):
    """Payment."""

    def changed(self, submission: Any) -> list[Aggregate]:
        """See `Deciding`."""
        if not isinstance(submission, sent.Claiming):
            return super().changed(submission)
        application = str(named(submission.institution, "application", submission.data.application_ref))
        changed: list[Aggregate] = []
        for line in submission.data.lines:
            claim = Claim(application, line.line, line.certificate_id)
            changed += [claim, Account(line.certificate_id, str(claim.id))]
        return changed


APPLICATIONS: dict[str, type[Deciding]] = {
    "enrolment": Enrolments,
    "certification": Certifications,
    "payment": Payments,
}
