"""People who claim by themselves: over HTTP, each with their own token."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from zeren.demo.dataset import PersonClaim
from zeren.stack.client import Local, ServiceRefused

AT_ONCE = 8


def claim_as_people(local: Local, claims: Sequence[PersonClaim]) -> list[str]:
    """Files these claims, several people at once; answers the code of every refusal.

    Each has an Idempotency-Key of its own: filed again, a claim gets the answer that it got.

    Raises:
        ServiceUnreachable
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda claim: _claim(local, claim), claims))
    return [code for code in answers if code]


def _claim(local: Local, claim: PersonClaim) -> str:
    """Empty, or why it was refused."""
    body = {
        "application_ref": claim.application_ref,
        "certificate_id": claim.certificate_id,
        "account": claim.account,
    }
    bearer, key = local.person_token(claim.national_id), f"{claim.day}/{claim.phase}/{claim.application_ref}"
    try:
        local.post("payment", "/claims", body, bearer=bearer, idempotency_key=key)
    except ServiceRefused as refusal:
        return refusal.code
    return ""
