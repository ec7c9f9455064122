"""Names in the kernel's tables: what parked submissions await, and the scopes of reservations."""

from __future__ import annotations

CLAIMS = "claim"
"""Reservation scope: claim id → person id. Tells whether an id that somebody names is a claim at all."""
BATCHES = "payment-batch"
"""Reservation scope: batch id → the bank's USCC."""


def open_claims(person_id: str) -> str:
    """Reservation scope of a person: claim id → account id, of claims to the person's own account until their end."""
    return f"open-claims/{person_id}"


def certificate_known(certificate_id: str) -> str:
    """Awaited: the certificate."""
    return f"certificate:{certificate_id}"


def enrolled(enrolment_id: str) -> str:
    """Awaited: the enrolment."""
    return f"enrolment:{enrolment_id}"


def training_verdict(enrolment_id: str) -> str:
    """Awaited: that the trainee completed the training."""
    return f"training-verdict:{enrolment_id}"


def batch_known(batch_id: str) -> str:
    """Awaited: the payment batch."""
    return f"batch:{batch_id}"
