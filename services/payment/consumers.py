"""What payment follows, and its read models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.payment.policies import POLICIES
from services.payment.projections.batches import projection as batches
from services.payment.projections.claims_by_stage import projection as claims_by_stage
from shared.contracts.certification import CertificateIssued
from shared.contracts.fact import Fact
from shared.contracts.payment import SERVICE, PaymentBatchCreated, PaymentBatchReconciled
from shared.eventstore.projection import Projection
from shared.messaging.foreign import Policies

SOURCES: Mapping[str, Policies] = {
    "enrolment": {cls: policy for cls, policy in POLICIES.items() if cls is not CertificateIssued},
    "certification": {CertificateIssued: POLICIES[CertificateIssued]},
}
PROJECTIONS: Sequence[Projection] = (claims_by_stage, batches)
BANK_FOLLOWER = f"{SERVICE}.bank"
FOLLOWERS: Mapping[str, Sequence[type[Fact]]] = {BANK_FOLLOWER: (PaymentBatchCreated, PaymentBatchReconciled)}
"""What acts on own facts outside the database: the bank files."""
