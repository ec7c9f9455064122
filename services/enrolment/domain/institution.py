"""An organisation (机构): a training institution, an assessment body or a bank, with its keys and payee account.

One stream a USCC, `identity.institution_id`. Who may send what is judged by `kind` at the intake.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import assert_never

import msgspec
from msgspec.structs import replace

from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
)
from shared.decider import Decider
from shared.identity import is_uscc
from shared.refusal import Refusal

TRAINING = "TRAINING"
KEY_BYTES = 32
"""An Ed25519 public key (RFC 8032)."""


class UsccInvalid(Refusal):
    """The USCC's check character is wrong (GB 32100-2015)."""

    code = "institution.uscc_invalid"


class RegionUnknown(Refusal):
    """The registering authority is none of the ten regions' nor the province's."""

    code = "institution.unknown_region"


class AlreadyRegistered(Refusal):
    """The organisation is registered with other particulars; `field` says which."""

    code = "institution.already_registered"


class InstitutionUnknown(Refusal):
    """Nobody registered that organisation."""

    code = "institution.unknown"


class PayeeAccountMissing(Refusal):
    """A training institution must name the account to which its claims are paid."""

    code = "institution.account_missing"


class KeyUsed(Refusal):
    """The key id is taken, by another organisation or for another key."""

    code = "institution.key_used"


class KeyMalformed(Refusal):
    """Not 32 bytes in base64url without padding."""

    code = "institution.key_malformed"


class KeyPeriodEmpty(Refusal):
    """The key would end before it begins."""

    code = "institution.key_period_empty"


class KeyUnknown(Refusal):
    """The organisation has no key of that id."""

    code = "institution.key_unknown"


class KeyRevokedAlready(Refusal):
    """The key was revoked before: its end stands."""

    code = "institution.key_revoked_already"


class KeyEndsEarlier(Refusal):
    """The key ends by itself before that instant."""

    code = "institution.key_ends_earlier"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccount:
    """An account as the vault knows it: its random id and the salted commitment to its number."""

    account_id: str
    commitment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterInstitution:
    """Puts an organisation on the books.

    Attributes:
        region_known: the region is one of the ten, or the province.
        account: None where the organisation is never paid by its own claims.
    """

    uscc: str
    name: str
    kind: str
    region: str
    region_known: bool
    account: PayeeAccount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterKey:
    """Adds a signing key.

    Attributes:
        public_key: Ed25519, base64url without padding.
        valid_from: may lie before the registration.
        holder: the USCC that holds the key id in the whole province, or None.
    """

    uscc: str
    key_id: str
    public_key: str
    valid_from: datetime
    valid_until: datetime | None
    holder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey:
    """Ends a signing key.

    Attributes:
        valid_until: its new end, UTC; may lie in the past, never at or before its beginning.
        reason: COMPROMISED, LOST, SUPERSEDED or CLOSED.
    """

    uscc: str
    key_id: str
    valid_until: datetime
    reason: str


Command = RegisterInstitution | RegisterKey | RevokeKey
Event = InstitutionRegistered | InstitutionKeyRegistered | InstitutionKeyRevoked | PayeeAccountRegistered


class Institution(msgspec.Struct, frozen=True, gc=False):
    """What is known of an organisation; `registered` is None before anybody registered it."""

    registered: InstitutionRegistered | None = None
    account: PayeeAccountRegistered | None = None
    keys: Mapping[str, InstitutionKeyRegistered] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    revoked: frozenset[str] = frozenset()


def decide(command: Command, state: Institution) -> list[Event]:
    """See `Decider.decide`."""
    match command:
        case RegisterInstitution():
            return _register(command, state)
        case RegisterKey():
            return _register_key(command, state)
        case RevokeKey():
            return _revoke_key(command, state)
        case _:
            assert_never(command)


def evolve(state: Institution, event: Event) -> Institution:
    """See `Decider.evolve`."""
    match event:
        case InstitutionRegistered():
            return replace(state, registered=event)
        case PayeeAccountRegistered():
            return replace(state, account=event)
        case InstitutionKeyRegistered(key_id=key_id):
            return replace(state, keys=MappingProxyType({**state.keys, key_id: event}))
        case InstitutionKeyRevoked(key_id=key_id):
            return replace(state, revoked=state.revoked | {key_id})
        case _:
            assert_never(event)


def _register(command: RegisterInstitution, state: Institution) -> list[Event]:
    if not is_uscc(command.uscc):
        raise UsccInvalid("uscc")
    if not command.region_known:
        raise RegionUnknown("region")
    if command.kind == TRAINING and command.account is None:
        raise PayeeAccountMissing("account")
    wanted = InstitutionRegistered(
        uscc=command.uscc, name=command.name, kind=command.kind, region=command.region
    )
    account = _account_of(command)
    if state.registered is None:
        return [wanted, *([account] if account else [])]
    for name in wanted.__struct_fields__:
        if getattr(wanted, name) != getattr(state.registered, name):
            raise AlreadyRegistered(name)
    if account != state.account:
        raise AlreadyRegistered("account")
    return []


def _account_of(command: RegisterInstitution) -> PayeeAccountRegistered | None:
    if command.account is None:
        return None
    return PayeeAccountRegistered(
        uscc=command.uscc, account_id=command.account.account_id, commitment=command.account.commitment
    )


def _register_key(command: RegisterKey, state: Institution) -> list[Event]:
    if state.registered is None:
        raise InstitutionUnknown("uscc")
    if not _is_public_key(command.public_key):
        raise KeyMalformed("public_key")
    if command.valid_until is not None and command.valid_until <= command.valid_from:
        raise KeyPeriodEmpty("valid_until")
    wanted = InstitutionKeyRegistered(
        uscc=command.uscc,
        kind=state.registered.kind,
        region=state.registered.region,
        key_id=command.key_id,
        public_key=command.public_key,
        valid_from=command.valid_from,
        valid_until=command.valid_until,
    )
    known = state.keys.get(command.key_id)
    if known == wanted:
        return []
    if known is not None or command.holder is not None:
        raise KeyUsed("key_id")
    return [wanted]


def _revoke_key(command: RevokeKey, state: Institution) -> list[Event]:
    key = state.keys.get(command.key_id)
    if key is None:
        raise KeyUnknown("key_id")
    if command.key_id in state.revoked:
        raise KeyRevokedAlready("key_id")
    if command.valid_until <= key.valid_from:
        raise KeyPeriodEmpty("valid_until")
    if key.valid_until is not None and key.valid_until <= command.valid_until:
        raise KeyEndsEarlier("valid_until")
    return [
        InstitutionKeyRevoked(
            uscc=command.uscc,
            key_id=command.key_id,
            valid_until=command.valid_until,
            reason=command.reason,
        )
    ]


def _is_public_key(text: str) -> bool:
    """Canonical base64url of 32 bytes: one key has one text."""
    try:
        raw = urlsafe_b64decode(text + "=")
    except (binascii.Error, ValueError):
        return False
    return len(raw) == KEY_BYTES and urlsafe_b64encode(raw).rstrip(b"=") == text.encode()


institution: Decider[Command, Institution, Event] = Decider(
    "institution",
    Institution(),
    decide,
    evolve,
    (InstitutionRegistered, InstitutionKeyRegistered, InstitutionKeyRevoked, PayeeAccountRegistered),
)
