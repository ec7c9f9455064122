"""The public ids of Zeren: UUIDv5 of owner, kind and reference, so that a sender can compute them ahead."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

NAMESPACE = uuid5(NAMESPACE_URL, "urn:zeren")


def derive_id(*parts: str) -> str:
    """The id of (owner, kind, reference): UUIDv5 of the parts joined by "/"."""
    return str(uuid5(NAMESPACE, "/".join(parts)))


def class_id(uscc: str, class_ref: str) -> str:
    """The class that an institution calls `class_ref`."""
    return derive_id(uscc, "class", class_ref)


def enrolment_id(uscc: str, enrolment_ref: str) -> str:
    """One trainee in one class."""
    return derive_id(uscc, "enrolment", enrolment_ref)


def candidate_id(uscc: str, candidate_ref: str) -> str:
    """One candidate of an assessment body."""
    return derive_id(uscc, "candidate", candidate_ref)


def certificate_id(uscc: str, candidate_ref: str) -> str:
    """The certificate that the candidate may earn."""
    return derive_id(candidate_id(uscc, candidate_ref), "certificate")


def application_id(uscc: str, application_ref: str) -> str:
    """An institution's list of claims."""
    return derive_id(uscc, "application", application_ref)


def claim_id(application: str, line: int) -> str:
    """One line of a list of claims."""
    return derive_id(application, "claim", str(line))
