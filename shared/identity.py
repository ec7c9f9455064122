"""Identities: ids that anyone can compute, and the checks of identifiers that others issue.

Organisations name their own things by references; an id is UUIDv5 of (USCC, kind, reference), so a file can be
signed ahead of any receipt and its sender can compute every id it will see. Only a person's id is random.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from functools import lru_cache
from typing import NewType
from uuid import NAMESPACE_URL, UUID, uuid5

ClassId = NewType("ClassId", str)
SessionId = NewType("SessionId", str)
EnrolmentId = NewType("EnrolmentId", str)
CandidateId = NewType("CandidateId", str)
CertificateId = NewType("CertificateId", str)
ApplicationId = NewType("ApplicationId", str)
ClaimId = NewType("ClaimId", str)
PersonId = NewType("PersonId", str)
Uscc = NewType("Uscc", str)

NAMESPACE = uuid5(NAMESPACE_URL, "urn:zeren")
"""The root of every derived id. Permanent: changing it would rename all of history."""

REASON_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,31}", re.ASCII)
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_NUMBER = re.compile(r"(?<!\d)\d{17}[0-9Xx](?![0-9A-Za-z])")
_PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_MANY_DIGITS = re.compile(r"\d{11}")
"""Stands in every ID number and every phone number: most texts need no further look."""
UUID_FORM = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""A UUID as facts write it: small letters, with hyphens."""
ID_FORM = re.compile(r"[1-9][0-9]{16}[0-9X]")
"""ASCII alone: a number in other digits would be another person to the vault's index."""


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid5_text(namespace: bytes, name: str) -> str:
    """UUIDv5 (RFC 9562 §5.5) in canonical text form, equal to `str(uuid.uuid5(…))` at a fifth of its cost.

    Args:
        namespace: its 16 bytes.
        name: what is named in it.
    """
    h = hashlib.sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


@lru_cache(maxsize=16_384)
def uuid_bytes(text: str) -> bytes:
    """The 16 bytes of a UUID. Raises: ValueError."""
    return UUID(text).bytes


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID as facts write it: small letters, with hyphens."""
    return re.fullmatch(UUID_FORM, text) is not None


def derive_id(*parts: str) -> str:
    """The id of (owner, kind, reference), in canonical text form.

    The name hashed under `NAMESPACE` is the parts joined by "/". References and USCCs hold no "/", so two
    different lists of parts never meet.
    """
    return uuid5_text(NAMESPACE.bytes, "/".join(parts))


def class_id(uscc: str, class_ref: str) -> ClassId:
    """The class (培训班) that an institution calls `class_ref`."""
    return ClassId(derive_id(uscc, "class", class_ref))


def session_id(uscc: str, session_ref: str) -> SessionId:
    """A planned session (课次); `session_ref` is unique within the institution."""
    return SessionId(derive_id(uscc, "session", session_ref))


def enrolment_id(uscc: str, enrolment_ref: str) -> EnrolmentId:
    """One trainee in one class (报名)."""
    return EnrolmentId(derive_id(uscc, "enrolment", enrolment_ref))


def candidate_id(uscc: str, candidate_ref: str) -> CandidateId:
    """One candidate (考生) of an assessment body."""
    return CandidateId(derive_id(uscc, "candidate", candidate_ref))


def certificate_id(candidate: str) -> CertificateId:
    """The certificate (证书) that a candidate may earn: one a candidate."""
    return CertificateId(derive_id(candidate, "certificate"))


def application_id(owner: str, application_ref: str) -> ApplicationId:
    """A list of claims sent together; `owner` is a USCC, or the person's id."""
    return ApplicationId(derive_id(owner, "application", application_ref))


def claim_id(application: str, line: int) -> ClaimId:
    """One line of an application: one person, one episode, one subsidy kind (补贴申领)."""
    return ClaimId(derive_id(application, "claim", str(line)))


def entitlement_account_id(person: str) -> str:
    """The person's entitlement account (享受账户): the single writer of the no-repeat rule."""
    return derive_id("payment", "entitlement", person)


def erasure_id(service: str, person: str) -> str:
    """A service's stream about the erasure of a person's data."""
    return derive_id(service, "erasure", person)


def institution_id(uscc: str) -> str:
    """The stream of an organisation: institution, assessment body or bank."""
    return derive_id(uscc, "institution")


def receipt_id(service: str, uscc: str, submission: str) -> str:
    """The receipt stream of one submission id: the event table's key is the dedupe."""
    return derive_id(service, "receipt", uscc, hashlib.sha256(submission.encode()).hexdigest())


def is_reference(text: str) -> bool:
    """1–64 plain characters that don't look like an ID number or a phone number."""
    return REFERENCE.fullmatch(text) is not None and not looks_personal(text)


def is_reason_code(text: str) -> bool:
    """Why personal data is read: 2–32 of A–Z, 0–9 and _, such as CASE_REVIEW."""
    return REASON_CODE.fullmatch(text) is not None


def looks_personal(text: str) -> bool:
    """Whether a resident's ID number or a mobile number seems to stand in the text."""
    if _MANY_DIGITS.search(text) is None:
        return False
    return _PHONE.search(text) is not None or any(
        is_national_id(found.group().upper()) for found in _ID_NUMBER.finditer(text)
    )


_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECK = "10X98765432"


def is_national_id(number: str) -> bool:
    """A resident's ID number with a real birth date and a right check digit (GB 11643-1999)."""
    return birth_date(number) is not None and _ID_CHECK[_id_sum(number) % 11] == number[17]


def birth_date(number: str) -> date | None:
    """The birth date inside an 18-character ID number, or None where there is none."""
    if ID_FORM.fullmatch(number) is None:
        return None
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def _id_sum(number: str) -> int:
    return sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number[:17], strict=True))


def age_on(born: date, day: date) -> int:
    """Whole years on a day; a birthday on 29 February counts from 1 March in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def is_uscc(code: str) -> bool:
    """A unified social credit code with a right check character (GB 32100-2015).

    The first character may be A, N or Y (collectives): nothing but the alphabet and the check is judged.
    """
    return len(code) == 18 and uscc_check_character(code[:17]) == code[17]


def uscc_check_character(first: str) -> str:
    """The 18th character that the first 17 of a unified social credit code call for; "" where they are none."""
    if len(first) != 17 or any(character not in USCC_ALPHABET for character in first):
        return ""
    total = sum(USCC_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(first))
    return USCC_ALPHABET[(31 - total % 31) % 31]
