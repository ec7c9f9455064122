"""What follows from facts: from payment's own in the kernel's tables, from other services' in what is known here.

Pure. Replaying facts through these functions rebuilds reservations, wake-ups and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.payment.domain.erasure import AnswerErasure, erasure_answers
from services.payment.domain.keys import (
    BATCHES,
    CLAIMS,
    batch_known,
    certificate_known,
    enrolled,
    open_claims,
    training_verdict,
)
from services.payment.domain.published_policy import Publish, published_policy, published_policy_id
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import SERVICE as ENROLMENT
from shared.contracts.enrolment import (
    ErasureOrdered,
    ErasureWithdrawn,
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
    SubjectErased,
    TraineeEnrolled,
    TrainingCompleted,
)
from shared.contracts.fact import PROVINCE, Circumstances, Encoded, Envelope, Fact, type_of
from shared.contracts.payment import (
    SERVICE,
    ClaimRefused,
    PaymentBatchCreated,
    PolicyPublished,
    SubsidyClaimed,
    SubsidyPaid,
)
from shared.eventstore.businessdate import (
    STREAM,
    business_date,
    business_day,
    business_day_reads,
    business_time,
)
from shared.eventstore.changes import AlsoKnownAs, Effect, Reads, Release, Reserve, Wake
from shared.eventstore.desk import Draft
from shared.identity import erasure_id
from shared.intake.keys import when_institution_key_registered, when_institution_key_revoked
from shared.policy.book import PolicyBook


def effects(encoded: Encoded) -> Iterable[Effect]:
    """See `shared.eventstore.desk.Effects`: what one own fact means for the kernel's tables."""
    match encoded.data:
        case SubsidyClaimed(claim_id=claim_id, person_id=person_id) as claimed:
            known = Reserve(CLAIMS, claim_id, person_id)
            if claimed.payee_kind != "PERSON":
                return (known,)
            return known, Reserve(open_claims(person_id), claim_id, claimed.account_id)
        case SubsidyPaid() | ClaimRefused() as ended:
            return (Release(open_claims(ended.person_id), ended.claim_id),)
        case PaymentBatchCreated(batch_id=batch_id, bank=bank):
            return Reserve(BATCHES, batch_id, bank), Wake(batch_known(batch_id))
        case _:
            return ()


def when_certificate_issued(fact: Envelope[CertificateIssued]) -> list[Effect | AlsoKnownAs]:
    """Claims that waited for the certificate can be decided.

    A claim names the certificate by its own id, while its fact stands in its candidate's stream.
    """
    certificate_id = fact.data.certificate_id
    return [AlsoKnownAs(certificate_id), Wake(certificate_known(certificate_id))]


def when_trainee_enrolled(fact: Envelope[TraineeEnrolled]) -> list[Effect]:
    """Who was trained where is known."""
    return [Wake(enrolled(fact.data.enrolment_id))]


def when_training_completed(fact: Envelope[TrainingCompleted]) -> list[Effect]:
    """The trainee completed the training."""
    return [Wake(training_verdict(fact.data.enrolment_id))]


def when_known(_fact: Envelope[Any]) -> list[Effect]:
    """Nothing follows but that it is known: a bank, an institution, its payee account."""
    return []


POLICIES: dict[type[Fact], Callable[[Envelope[Any]], Sequence[Effect | AlsoKnownAs]]] = {
    CertificateIssued: when_certificate_issued,
    TraineeEnrolled: when_trainee_enrolled,
    TrainingCompleted: when_training_completed,
    PayeeAccountRegistered: when_known,
    InstitutionRegistered: when_known,
    ErasureOrdered: when_known,
    ErasureWithdrawn: when_known,
    SubjectErased: when_known,
    InstitutionKeyRegistered: when_institution_key_registered,
    InstitutionKeyRevoked: when_institution_key_revoked,
}
"""Foreign facts that decisions here rest on. `CertificateIssued` is certification's, the others enrolment's."""


def answer_erasure(fact: Envelope[Any], draft: Draft) -> None:
    """Says whether money is still on its way to the person's own account. A reaction, see `ForeignFacts`."""
    ordered: ErasureOrdered = fact.data
    stream = erasure_id(SERVICE, ordered.person_id)
    command = AnswerErasure(
        person_id=ordered.person_id,
        order_no=ordered.order_no,
        open_claims=tuple(draft.holders(open_claims(ordered.person_id))),
    )
    given = Circumstances(
        occurredat=fact.occurredat,
        businessdate=business_date(draft),
        actor=f"system:{SERVICE}",
        duty="SYSTEM",
        region=fact.region,
        correlationid=fact.correlationid,
        causationid=fact.id,
        traceparent=fact.traceparent,
    )
    draft.execute(erasure_answers, stream, command, given)


REACTIONS: dict[str, Callable[[Envelope[Any], Draft], None]] = {
    type_of(ENROLMENT, ErasureOrdered).name: answer_erasure
}
"""By fact name: what enrolment's fact makes payment decide."""


@dataclass(frozen=True, slots=True)
class PublishPackages:
    """A unit of work: says which policy package versions are in use, each once.

    Run it at the start and after every adopted business day. Before the first one it does nothing: a fact
    needs a date.
    """

    book: PolicyBook

    def reads(self, _draft: Draft) -> Reads:
        """The stream of each package version."""
        packages = self.book.packages()
        streams = (published_policy_id(package.id, package.version) for package in packages)
        return business_day_reads() | Reads(streams=frozenset(streams))

    def perform(self, draft: Draft) -> list[str]:
        """The ids of new facts. Raises: VersionChanged: a published version has other bytes now: don't start."""
        day = draft.state(business_day, STREAM)
        if day is None:
            return []
        staged: list[str] = []
        for package in self.book.packages():
            stream = published_policy_id(package.id, package.version)
            given = Circumstances(
                occurredat=business_time(day, draft.now),
                businessdate=day,
                actor="system:payment",
                duty="SYSTEM",
                region=package.content.region or PROVINCE,
                correlationid=stream,
                causationid=stream,
                traceparent="",
            )
            published = PolicyPublished(
                package=package.id,
                version=str(package.version),
                sha256=package.sha256,
                verified=package.content.verified,
                demo=package.content.demo,
            )
            staged += draft.execute(published_policy, stream, Publish(published=published), given)
        return staged
