"""What institutions and the bank send to payment: lists of claims, and receipts of payments.

A person's claim over HTTP and a line of an institution's list are decided by one function, `file_claim`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from services.payment.domain.claim import ALREADY_USED, ConfirmPayment, File, RecordFailure, claim
from services.payment.domain.entitlement_account import Reserve, entitlement_account
from services.payment.domain.keys import BATCHES, batch_known, certificate_known, enrolled, training_verdict
from services.payment.domain.payment_batch import (
    DatedInFuture,
    OtherBank,
    PaymentBatch,
    ReconcileBatch,
    payment_batch,
)
from services.payment.domain.refusals import AlreadyAnswered, AlreadyFiled, NotOrdered
from services.payment.domain.rules import (
    KIND,
    Evidence,
    NoPayeeAccount,
    must_be_in_time,
    must_be_own,
    shares_entitlement,
    subsidy_standard,
)
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import PayeeAccountRegistered, TraineeEnrolled, TrainingCompleted
from shared.contracts.fact import Circumstances, type_of
from shared.contracts.intake import Reason
from shared.contracts.payment import SubsidyClaimed
from shared.contracts.submission import ApplySubsidy, ConfirmPayments, PaymentLine
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft, as_far_as_known
from shared.identity import application_id, claim_id, entitlement_account_id, institution_id
from shared.intake.handling import Accepted, Handler, Handlers, Outcome, Parked, Submitted
from shared.policy.book import PolicyBook
from shared.policy.package import PayeeKind
from shared.policy.standards import Standard
from shared.refusal import Refusal

_CERTIFICATE = type_of("certification", CertificateIssued).name
_ENROLLED = type_of("enrolment", TraineeEnrolled).name
_COMPLETED = type_of("enrolment", TrainingCompleted).name
_ACCOUNT = type_of("enrolment", PayeeAccountRegistered).name


def handlers(book: PolicyBook) -> Handlers:
    """How payment decides each type of submission."""
    return {
        ApplySubsidy: Handler(_list_reads, partial(_apply, book)),
        ConfirmPayments: Handler(_receipt_reads, _confirm),
    }


class Given(Protocol):
    """Makes the circumstances of a fact: `Submitted.given`, or `Commanded.given` of a draft."""

    def __call__(self, *, region: str, correlation: str, duty: str) -> Circumstances:
        """See `Circumstances`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One line of an application.

    Attributes:
        claimant: the person's id, or the institution's USCC; the payee is the claimant.
        account_id: the vault's id of the payee's account; "" where none is registered.
    """

    application_id: str
    line: int
    payee: PayeeKind
    claimant: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of a claim.

    Attributes:
        facts: ids; empty where this line was filed before.
        standard: the standard in force, also where the claim was refused.
        taken: the entitlement is held by another claim (R50): the claim is filed and refused.
    """

    claim_id: str
    facts: list[str]
    standard: Standard
    taken: bool


def evidence_reads(draft: Draft, certificate_ids: Iterable[str]) -> Reads:
    """What `evidence_of` and `file_claim` look at for these certificates, as far as is known yet."""
    certificates = list(certificate_ids)
    wanted = Reads(foreign=frozenset((_CERTIFICATE, certificate) for certificate in certificates))

    def trainees() -> Reads:
        issued = [
            draft.foreign("certification", CertificateIssued, certificate) for certificate in certificates
        ]
        known = [fact.data for fact in issued if fact is not None]
        return Reads(
            foreign=frozenset(
                (kind, data.enrolment_id) for data in known for kind in (_ENROLLED, _COMPLETED)
            ),
            streams=frozenset(entitlement_account_id(data.person_id) for data in known),
        )

    return as_far_as_known(wanted, trainees)


def evidence_of(draft: Draft, certificate_id: str) -> Evidence | str:
    """The facts of other services that a claim rests on, or the awaited key of the first that is missing."""
    issued = draft.foreign("certification", CertificateIssued, certificate_id)
    if issued is None:
        return certificate_known(certificate_id)
    enrolment = issued.data.enrolment_id
    trainee = draft.foreign("enrolment", TraineeEnrolled, enrolment)
    if trainee is None:
        return enrolled(enrolment)
    completed = draft.foreign("enrolment", TrainingCompleted, enrolment)
    if completed is None:
        return training_verdict(enrolment)
    return Evidence(certificate=issued.data, enrolled=trainee.data, completed=completed.data)


def file_claim(
    draft: Draft, book: PolicyBook, application: Application, evidence: Evidence, given: Given
) -> Filed:
    """Decides one claim and stages it with the person's entitlement, in one transaction (R50).

    Raises: NotYourTrainee, NotYourCertificate, NoPayeeAccount, TooLate, NoStandardApplies, AlreadyFiled and
        the policy book's refusals. Nothing is staged then.
    """
    certificate, region = evidence.certificate, evidence.enrolled.region
    must_be_own(evidence, application.payee, application.claimant)
    if not application.account_id:
        raise NoPayeeAccount("account")
    circumstances = given(region=region, correlation=certificate.enrolment_id, duty="D7")
    today = circumstances.businessdate
    must_be_in_time(book.procedure(region, today), certificate.issued_on, today)
    standard = subsidy_standard(book, evidence, application.payee, today)
    shared = shares_entitlement(book.no_repeat(region, today), KIND)

    claimed = _claimed(application, evidence, standard)
    reserve = Reserve(
        person_id=certificate.person_id,
        claim_id=claimed.claim_id,
        occupation_id=certificate.occupation_id,
        level=certificate.level,
    )
    account = entitlement_account_id(certificate.person_id)
    state = draft.state(entitlement_account, account)
    taken = shared and state.taken(reserve.occupation_id, reserve.level, reserve.claim_id)
    facts = draft.execute(claim, claimed.claim_id, File(claimed=claimed, taken=taken), circumstances)
    # A claim that was filed before must not reserve again: a handler may have refused and released it.
    if facts and shared:
        facts += draft.execute(entitlement_account, account, reserve, circumstances)
    return Filed(claimed.claim_id, facts, standard, taken)


def _claimed(application: Application, evidence: Evidence, standard: Standard) -> SubsidyClaimed:
    certificate, trainee = evidence.certificate, evidence.enrolled
    return SubsidyClaimed(
        claim_id=claim_id(application.application_id, application.line),
        application_id=application.application_id,
        line=application.line,
        person_id=certificate.person_id,
        enrolment_id=certificate.enrolment_id,
        certificate_id=certificate.certificate_id,
        institution=trainee.institution,
        kind=KIND,
        occupation_id=certificate.occupation_id,
        level=certificate.level,
        region=trainee.region,
        payee_kind=application.payee,
        claimant=application.claimant,
        account_id=application.account_id,
        computed_fen=standard.amount_fen,
        trace=standard.trace,
    )


def _list_reads(submitted: Submitted[ApplySubsidy], draft: Draft) -> Reads:
    data, uscc = submitted.data, submitted.institution
    application = application_id(uscc, data.application_ref)
    own = Reads(
        streams=frozenset(claim_id(application, line.line) for line in data.lines),
        foreign=frozenset(((_ACCOUNT, institution_id(uscc)),)),
    )
    return own | evidence_reads(draft, (line.certificate_id for line in data.lines))


def _apply(book: PolicyBook, submitted: Submitted[ApplySubsidy], draft: Draft) -> Outcome:
    """A list waits whole for its last certificate; then each line is decided for itself."""
    uscc, data = submitted.institution, submitted.data
    ready: list[tuple[int, Evidence]] = []
    for line in data.lines:
        evidence = evidence_of(draft, line.certificate_id)
        if isinstance(evidence, str):
            return Parked(evidence)
        ready.append((line.line, evidence))
    registered = draft.foreign("enrolment", PayeeAccountRegistered, institution_id(uscc))
    facts: list[str] = []
    refused: list[Reason] = []
    for number, evidence in ready:
        application = Application(
            application_id=application_id(uscc, data.application_ref),
            line=number,
            payee="INSTITUTION",
            claimant=uscc,
            account_id=registered.data.account_id if registered else "",
        )
        try:
            filed = file_claim(draft, book, application, evidence, submitted.given)
        except Refusal as refusal:
            refused.append(Reason(code=refusal.code, field=f"data.lines.{refusal.field}", line=number))
            continue
        facts += filed.facts
        if not filed.facts:
            refused.append(Reason(code=AlreadyFiled.code, field="data.lines", line=number))
        elif filed.taken:
            refused.append(Reason(code=ALREADY_USED, field="data.lines.certificate_id", line=number))
    return Accepted(facts, lines=len(data.lines), refused=refused)


def _receipt_reads(submitted: Submitted[ConfirmPayments], draft: Draft) -> Reads:
    batch_id = submitted.data.batch_id
    wanted = Reads(reservations=frozenset(((BATCHES, batch_id),)), streams=frozenset((batch_id,)))

    def claims() -> Reads:
        if draft.holder(BATCHES, batch_id) is None:
            return Reads()
        return Reads(streams=frozenset(draft.state(payment_batch, batch_id).claims))

    return as_far_as_known(wanted, claims)


def _confirm(submitted: Submitted[ConfirmPayments], draft: Draft) -> Outcome:
    """The bank's receipt: each line is answered once; with the last one the batch is reconciled."""
    data = submitted.data
    bank = draft.holder(BATCHES, data.batch_id)
    if bank is None:
        return Parked(batch_known(data.batch_id))
    if bank != submitted.institution:
        raise OtherBank("data.batch_id")
    if data.paid_on > submitted.business_date:
        raise DatedInFuture("data.paid_on")
    batch = draft.state(payment_batch, data.batch_id)
    facts: list[str] = []
    refused: list[Reason] = []
    for number, line in enumerate(data.lines, 1):
        try:
            facts += _answer(submitted, draft, batch, line)
        except Refusal as refusal:
            refused.append(Reason(code=refusal.code, field=f"data.lines.{refusal.field}", line=number))
    given = submitted.given(region=batch.region, correlation=batch.batch_id, duty="D15", actor="bank")
    facts += draft.execute(payment_batch, batch.batch_id, _answers(draft, batch), given)
    return Accepted(facts, lines=len(data.lines), refused=refused)


def _answer(
    submitted: Submitted[ConfirmPayments], draft: Draft, batch: PaymentBatch, line: PaymentLine
) -> list[str]:
    """Raises: NotOrdered, AlreadyAnswered, AmountDiffers, CodeMalformed."""
    if line.claim_id not in batch.claims:
        raise NotOrdered("claim_id")
    command: ConfirmPayment | RecordFailure
    if line.result == "PAID":
        command = ConfirmPayment(
            batch_id=batch.batch_id,
            amount_fen=line.amount_fen,
            paid_on=submitted.data.paid_on,
            bank_ref=line.bank_ref,
            receipt_digest=submitted.origin.digest,
        )
    else:
        command = RecordFailure(
            batch_id=batch.batch_id,
            amount_fen=line.amount_fen,
            code=line.code,
            receipt_digest=submitted.origin.digest,
        )
    state = draft.state(claim, line.claim_id)
    given = submitted.given(region=state.region, correlation=state.enrolment_id, duty="D15", actor="bank")
    facts = draft.execute(claim, line.claim_id, command, given)
    if not facts:
        raise AlreadyAnswered("claim_id")
    return facts


def _answers(draft: Draft, batch: PaymentBatch) -> ReconcileBatch:
    """What the bank has answered of this batch so far, by the claims' own histories."""
    states = {claim_id: draft.state(claim, claim_id) for claim_id in batch.claims}
    failed = {c: s.approved_fen for c, s in states.items() if batch.batch_id in s.failed}
    paid = {c: s.approved_fen for c, s in states.items() if c not in failed and s.answered(batch.batch_id)}
    return ReconcileBatch(paid=paid, failed=failed)
