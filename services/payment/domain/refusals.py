"""Why a claim is refused a step. Codes and texts: `shared.contracts.codes.payment`."""

from __future__ import annotations

from shared.refusal import Refusal


class AlreadyFiled(Refusal):
    """This line of the application was filed with another certificate."""

    code = "claim.already_filed"


class UnknownClaim(Refusal):
    """No such claim."""

    code = "claim.unknown"


class WrongStage(Refusal):
    """The claim does not wait for this step."""

    code = "claim.wrong_stage"


class ActedAlready(Refusal):
    """The handler acted on this claim at another step (separation of duties)."""

    code = "claim.acted_already"


class ReasonRequired(Refusal):
    """A refusal without a reason of the catalogue."""

    code = "claim.reason_required"


class NoticeStillOpen(Refusal):
    """The public notice has not closed."""

    code = "notice.still_open"


class ClaimNotApproved(Refusal):
    """Only an approved claim can be paid, and only in one batch at a time."""

    code = "batch.claim_not_approved"


class PayerReviewed(Refusal):
    """The payer handled or approved the claim (separation of duties)."""

    code = "batch.payer_reviewed"


class OtherRegion(Refusal):
    """The claim is of another region than the batch."""

    code = "batch.other_region"


class NotOrdered(Refusal):
    """The claim is not in this batch."""

    code = "payment.not_ordered"


class AmountDiffers(Refusal):
    """The bank names another amount than was approved."""

    code = "payment.amount_differs"


class AlreadyAnswered(Refusal):
    """The bank has answered this line of the batch already."""

    code = "payment.already_answered"


class CodeMalformed(Refusal):
    """A failed payment without a plain code; a code with many digits could be an account number."""

    code = "payment.code_malformed"
