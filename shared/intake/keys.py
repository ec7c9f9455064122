"""Signing keys: how enrolment's fact becomes what every service checks signatures with."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

from shared.contracts.enrolment import InstitutionKeyRegistered, InstitutionKeyRevoked
from shared.contracts.fact import Envelope
from shared.eventstore.changes import Effect, EndKey, KnowKey, Wake


def known_key(key: InstitutionKeyRegistered) -> KnowKey:
    """The key as the kernel keeps it. Raises: ValueError: the public key is no base64url."""
    padding = "=" * (-len(key.public_key) % 4)
    return KnowKey(
        key_id=key.key_id,
        uscc=key.uscc,
        kind=key.kind,
        region=key.region,
        public_key=urlsafe_b64decode(key.public_key + padding),
        valid_from=key.valid_from,
        valid_until=key.valid_until,
    )


def when_institution_key_registered(fact: Envelope[Any]) -> list[Effect]:
    """Submissions signed with the key can be attributed here: a policy that every service has."""
    return [known_key(fact.data), Wake(key_known(fact.data.key_id))]


KEY_AWAITED = "key:"


def key_known(key_id: str) -> str:
    """What submissions under a key that nobody has registered yet await."""
    return KEY_AWAITED + key_id


def ended_key(revoked: InstitutionKeyRevoked) -> EndKey:
    """What a revocation means for the kernel's table: records logged at `valid_until` or later are not taken."""
    return EndKey(revoked.key_id, revoked.valid_until)


def when_institution_key_revoked(fact: Envelope[Any]) -> list[Effect]:
    """What the key signs from then on can't be attributed here: a policy that every service has."""
    return [ended_key(fact.data)]
