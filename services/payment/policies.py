"""What follows from facts: from payment's own in the kernel's tables, from other services' in what is known here.

Pure. Replaying facts through these functions rebuilds reservations, wake-ups and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from services.payment.domain.keys import (
    BATCHES,
    CLAIMS,
    batch_known,
    certificate_known,
    enrolled,
    training_verdict,
)
from services.payment.domain.published_policy import Publish, published_policy, published_policy_id
from shared.contracts.certification import CertificateIssued
from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionRegistered,
    PayeeAccountRegistered,
    TraineeEnrolled,
    TrainingCompleted,
)
from shared.contracts.fact import PROVINCE, SHANGHAI, Circumstances, Encoded, Envelope, Fact
from shared.contracts.payment import PaymentBatchCreated, PolicyPublished, SubsidyClaimed
from shared.eventstore.businessdate import STREAM, business_day, business_day_reads
from shared.eventstore.changes import Effect, KnowFact, Reads, Reserve, Wake
from shared.eventstore.desk import Draft
from shared.intake.keys import when_institution_key_registered
from shared.policy.book import PolicyBook


def effects(encoded: Encoded) -> Iterable[Effect]:
    """See `shared.eventstore.desk.Effects`: what one own fact means for the kernel's tables."""
    match encoded.data:
        case SubsidyClaimed(claim_id=claim_id, person_id=person_id):
            return (Reserve(CLAIMS, claim_id, person_id),)
        case PaymentBatchCreated(batch_id=batch_id, bank=bank):
            return Reserve(BATCHES, batch_id, bank), Wake(batch_known(batch_id))
        case _:
            return ()


def when_certificate_issued(fact: Envelope[CertificateIssued]) -> list[Effect]:
    """Claims that waited for the certificate can be decided.

    A claim names the certificate by its own id, while its fact stands in its candidate's stream: it is kept
    under both. Encoding a decoded fact gives its own bytes again.
    """
    certificate_id = fact.data.certificate_id
    known = KnowFact(fact.type, certificate_id, fact.streamversion, msgspec.json.encode(fact))
    return [known, Wake(certificate_known(certificate_id))]


def when_trainee_enrolled(fact: Envelope[TraineeEnrolled]) -> list[Effect]:
    """Who was trained where is known."""
    return [Wake(enrolled(fact.data.enrolment_id))]


def when_training_completed(fact: Envelope[TrainingCompleted]) -> list[Effect]:
    """The trainee completed the training."""
    return [Wake(training_verdict(fact.data.enrolment_id))]


def when_known(_fact: Envelope[Any]) -> list[Effect]:
    """Nothing follows but that it is known: a bank, an institution, its payee account."""
    return []


POLICIES: dict[type[Fact], Callable[[Envelope[Any]], list[Effect]]] = {
    CertificateIssued: when_certificate_issued,
    TraineeEnrolled: when_trainee_enrolled,
    TrainingCompleted: when_training_completed,
    PayeeAccountRegistered: when_known,
    InstitutionRegistered: when_known,
    InstitutionKeyRegistered: when_institution_key_registered,
}
"""Foreign facts that decisions here rest on. `CertificateIssued` is certification's, the others enrolment's."""


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
                occurredat=draft.now.astimezone(SHANGHAI),
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
