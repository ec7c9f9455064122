"""Why certification says no.

Refusal
├── of a body            BodyUsccInvalid, OccupationNotInCatalogue, BodyPeriodReversed, BodyAlreadyApproved,
│                        BodyNotApproved, ScopeNotCovered
├── of a registration    CandidateReferenceUsed, TrainerMayNotAssess, PersonDiffers, OccupationDiffers,
│                        TrainingNotDone
├── of a result          CandidateUnknown, CandidateOfOtherBody, ResultInFuture, ResultBeforeTrainingEnd,
│                        ResultAlreadyRecorded
├── of an approval       ResultUnknown, ResultAlreadyApproved, CertificateInFuture, CertificateBeforeAssessment,
│                        CertificateNumberMissing, CertificateNumberForFailed, CertificateNumberUsed
└── of a reader          NotOwnRecord
"""

from __future__ import annotations

from shared.refusal import Refusal


class BodyUsccInvalid(Refusal):
    """The USCC's check character is wrong."""

    code = "institution.uscc_invalid"


class OccupationNotInCatalogue(Refusal):
    """The scope names an occupation that the catalogue doesn't have."""

    code = "class.unknown_occupation"


class BodyPeriodReversed(Refusal):
    """The approval would end before it starts."""

    code = "body.period_reversed"


class BodyAlreadyApproved(Refusal):
    """An approval with other particulars is in force on some of these days."""

    code = "body.already_approved"


class BodyNotApproved(Refusal):
    """No approval is in force on that day."""

    code = "body.not_approved"


class ScopeNotCovered(Refusal):
    """The approval does not reach the occupation or the level."""

    code = "body.scope_not_covered"


class CandidateReferenceUsed(Refusal):
    """The reference names a registration already."""

    code = "candidate.reference_used"


class TrainerMayNotAssess(Refusal):
    """The body trained this person itself (考培分离)."""

    code = "body.is_training_institution"


class PersonDiffers(Refusal):
    """The ID number is not that of the enrolled trainee."""

    code = "candidate.person_differs"


class OccupationDiffers(Refusal):
    """Occupation or level are not those of the class."""

    code = "candidate.occupation_differs"


class TrainingNotDone(Refusal):
    """The trainee did not complete the training."""

    code = "candidate.training_not_completed"


class CandidateUnknown(Refusal):
    """No such candidate."""

    code = "candidate.unknown"


class CandidateOfOtherBody(Refusal):
    """Another body registered the candidate."""

    code = "result.candidate_of_other_body"


class ResultInFuture(Refusal):
    """The assessment lies after the business date."""

    code = "result.in_future"


class ResultBeforeTrainingEnd(Refusal):
    """The assessment lies before the end of the training."""

    code = "result.before_training_end"


class ResultAlreadyRecorded(Refusal):
    """Marks are recorded; they are not overwritten."""

    code = "result.already_recorded"


class ResultUnknown(Refusal):
    """The candidate has no result to approve."""

    code = "result.unknown"


class ResultAlreadyApproved(Refusal):
    """The result is approved already."""

    code = "result.already_approved"


class CertificateNumberMissing(Refusal):
    """Who passed needs a certificate number."""

    code = "certificate.number_missing"


class CertificateNumberForFailed(Refusal):
    """Who failed gets no certificate."""

    code = "certificate.number_for_failed"


class CertificateNumberUsed(Refusal):
    """The number stands on another certificate."""

    code = "certificate.number_used"


class CertificateBeforeAssessment(Refusal):
    """The certificate is dated before the assessment."""

    code = "certificate.issued_before_assessment"


class CertificateInFuture(Refusal):
    """The certificate is dated after the business date."""

    code = "certificate.issued_in_future"


class NotOwnRecord(Refusal):
    """A person asked for somebody else's certificates."""

    code = "certificate.of_other_person"
