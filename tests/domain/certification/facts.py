"""Named things of certification's tests: one trainee, two bodies, two institutions."""

from __future__ import annotations

from datetime import date

from shared.contracts.certification import (
    AssessmentBodyApproved,
    AssessmentResultApproved,
    AssessmentResultRecorded,
    CandidateRegistered,
    CertificateIssued,
    Scope,
)
from shared.contracts.enrolment import TraineeEnrolled, TrainingCompleted, TrainingNotCompleted
from shared.contracts.trace import decided
from shared.identity import candidate_id, certificate_id, class_id, enrolment_id
from tests.book import BOOK

INSTITUTION = "91350100MA2Y00001H"
BODY = "52350100MA2Y00002M"
OTHER_BODY = "52350200MA2Y00003X"
LI_NA = "5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a1b01"
WANG_FANG = "5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a1b02"
REGION = "350100"
OCCUPATION = "elder-carer"
LEVEL = "5"

TRAINING_ENDED = date(2024, 5, 24)
ASSESSED_ON = date(2024, 5, 29)
ISSUED_ON = date(2024, 5, 31)
TODAY = date(2024, 6, 3)

PROCEDURE = BOOK.procedure(REGION, TODAY)
NO_TRACE = decided("TEST")
SCOPE = Scope(occupation_id=OCCUPATION, levels=["5", "4"])

CLASS = class_id(INSTITUTION, "B-01")
ENROLMENT = enrolment_id(INSTITUTION, "E-01")
CANDIDATE = candidate_id(BODY, "K-01")
CERTIFICATE = certificate_id(CANDIDATE)

body_approved = AssessmentBodyApproved(
    uscc=BODY,
    scope=[SCOPE],
    valid_from=date(2024, 1, 1),
    valid_to=date(2024, 12, 31),
    decision_jws=None,
)
registered = CandidateRegistered(
    candidate_id=CANDIDATE,
    candidate_ref="K-01",
    assessment_body=BODY,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    institution=INSTITUTION,
    occupation_id=OCCUPATION,
    level=LEVEL,
    region=REGION,
)


def recorded(theory: int, practice: int, *, passed: bool) -> AssessmentResultRecorded:
    """The candidate's marks as the policy of the first release judges them."""
    return AssessmentResultRecorded(
        candidate_id=CANDIDATE,
        enrolment_id=ENROLMENT,
        assessed_on=ASSESSED_ON,
        theory=theory,
        practice=practice,
        passed=passed,
        trace=PROCEDURE.judged(
            "pass_mark", {"theory": theory, "practice": practice}, "PASSED" if passed else "FAILED"
        ),
    )


passed = recorded(81, 77, passed=True)
failed = recorded(81, 59, passed=False)
pass_approved = AssessmentResultApproved(candidate_id=CANDIDATE, enrolment_id=ENROLMENT, passed=True)
fail_approved = AssessmentResultApproved(candidate_id=CANDIDATE, enrolment_id=ENROLMENT, passed=False)
issued = CertificateIssued(
    certificate_id=CERTIFICATE,
    certificate_no="S350100001",
    certificate_kind="SKILL_LEVEL",
    candidate_id=CANDIDATE,
    person_id=LI_NA,
    enrolment_id=ENROLMENT,
    assessment_body=BODY,
    institution=INSTITUTION,
    occupation_id=OCCUPATION,
    level=LEVEL,
    region=REGION,
    issued_on=ISSUED_ON,
    norm="GZB-elder-carer",
)

enrolled = TraineeEnrolled(
    enrolment_id=ENROLMENT,
    enrolment_ref="E-01",
    class_id=CLASS,
    person_id=LI_NA,
    institution=INSTITUTION,
    region=REGION,
    occupation_id=OCCUPATION,
    level=LEVEL,
    age=34,
    groups=[],
    trace=NO_TRACE,
)
completed = TrainingCompleted(
    enrolment_id=ENROLMENT,
    class_id=CLASS,
    person_id=LI_NA,
    institution=INSTITUTION,
    region=REGION,
    attended_minutes=3600,
    planned_minutes=3600,
    completed_on=TRAINING_ENDED,
    trace=NO_TRACE,
)
not_completed = TrainingNotCompleted(
    enrolment_id=ENROLMENT,
    class_id=CLASS,
    person_id=LI_NA,
    institution=INSTITUTION,
    region=REGION,
    attended_minutes=1200,
    planned_minutes=3600,
    code="training.attendance_below_minimum",
    trace=NO_TRACE,
)
