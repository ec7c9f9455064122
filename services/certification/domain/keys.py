"""The names under which certification waits and reserves: what `policies` wakes, `submissions` awaits."""

from __future__ import annotations

CERTIFICATE_NUMBERS = "certificate-no"
"""Reservation scope: a certificate number (证书编号) is used once in the province; its holder is a certificate's id."""


def training_verdict(enrolment_id: str) -> str:
    """Awaited: enrolment has told who the trainee is and whether the training was completed."""
    return f"training-verdict:{enrolment_id}"


def candidate_known(candidate_id: str) -> str:
    """Awaited: the candidate is registered."""
    return f"candidate:{candidate_id}"


def result_known(candidate_id: str) -> str:
    """Awaited: the candidate's result is recorded."""
    return f"result:{candidate_id}"
