"""What follows from facts: from certification's own in the kernel's tables, from enrolment's in what is known here.

Pure. Replaying facts through these functions rebuilds reservations, wake-ups and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from services.certification.domain import keys
from shared.contracts.certification import AssessmentResultRecorded, CandidateRegistered, CertificateIssued
from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    TraineeEnrolled,
    TrainingCompleted,
    TrainingNotCompleted,
)
from shared.contracts.fact import Encoded, Envelope, Fact
from shared.eventstore.changes import Effect, Reserve, Wake
from shared.intake.keys import when_institution_key_registered, when_institution_key_revoked


def effects(encoded: Encoded) -> Iterable[Effect]:
    """Reservations and wake-ups of one own fact."""
    match encoded.data:
        case CandidateRegistered(candidate_id=candidate_id):
            return (Wake(keys.candidate_known(candidate_id)),)
        case AssessmentResultRecorded(candidate_id=candidate_id):
            return (Wake(keys.result_known(candidate_id)),)
        case CertificateIssued(certificate_no=number, certificate_id=certificate_id):
            return (Reserve(keys.CERTIFICATE_NUMBERS, number, certificate_id),)
        case _:
            return ()


def when_trainee_enrolled(fact: Envelope[TraineeEnrolled]) -> list[Effect]:
    """Who the trainee is can be judged now."""
    return [Wake(keys.training_verdict(fact.data.enrolment_id))]


def when_training_completed(fact: Envelope[TrainingCompleted]) -> list[Effect]:
    """The trainee may be assessed."""
    return [Wake(keys.training_verdict(fact.data.enrolment_id))]


def when_training_not_completed(fact: Envelope[TrainingNotCompleted]) -> list[Effect]:
    """The trainee may not be assessed: whoever waits is told."""
    return [Wake(keys.training_verdict(fact.data.enrolment_id))]


POLICIES: dict[type[Fact], Callable[[Envelope[Any]], list[Effect]]] = {
    TraineeEnrolled: when_trainee_enrolled,
    TrainingCompleted: when_training_completed,
    TrainingNotCompleted: when_training_not_completed,
    InstitutionKeyRegistered: when_institution_key_registered,
    InstitutionKeyRevoked: when_institution_key_revoked,
}
"""Foreign facts that decisions here rest on; the business day is adopted by the kernel."""
