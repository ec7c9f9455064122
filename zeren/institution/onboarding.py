"""Registering organisations: topic, principal and rights, the books of enrolment, and the wait until all know the key.

Everything may be done again: what stands already is left, and the profile is written anew.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from zeren.institution.keys import SigningKey, read_key
from zeren.institution.profile import Profile, write_profile
from zeren.institution.records import read_lines

ADOPTION_SECONDS = 60.0
POLL_SECONDS = 0.1
AT_ONCE = 6
BODY_VALID_FROM, BODY_VALID_TO = "2020-01-01", "2035-12-31"
"""How long a local assessment body is approved, unless its row says otherwise."""
KINDS = ("TRAINING", "ASSESSMENT", "BANK")


class KeyNotAdopted(Exception):
    """Some service did not take in a registered key by the deadline."""


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The account to which an institution's own claims are paid. Goes to the vault and nowhere else."""

    number: str
    holder: str
    bank: str

    def __repr__(self) -> str:
        return "Account(***)"


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An occupation and the levels in which a body may assess it."""

    occupation_id: str
    levels: list[str]


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an organisations file: who is registered, with which public key.

    Attributes:
        region: the registering authority, six digits.
        valid_from: from when the key counts, RFC 3339 with an offset; may lie before the registration.
        scope: of an assessment body.
        account: of a training institution.
    """

    uscc: str
    name: str
    kind: str
    region: str
    key_id: str
    public_key: str
    valid_from: str
    valid_until: str | None = None
    scope: list[Scope] = []
    account: Account | None = None


class Access(Protocol):
    """What an institution needs to reach Kafka."""

    @property
    def bootstrap(self) -> str:
        """Host and port."""

    @property
    def user(self) -> str:
        """Its principal."""

    @property
    def password(self) -> str:
        """Its password."""

    @property
    def security_protocol(self) -> str:
        """Of the connection."""

    @property
    def receipts_topic(self) -> str:
        """Where its receipts go."""


class Registry(Protocol):
    """The services' side of a registration, as `zeren.stack.client.Local` offers it."""

    def as_duty(self, duty: str) -> str:
        """A bearer token with a duty."""

    def post(
        self, service: str, path: str, body: Any, *, bearer: str, idempotency_key: str | None = None
    ) -> Any:
        """A command."""

    def knows_key(self, service: str, key_id: str) -> bool:
        """Whether a service has adopted a key."""


Onboard = Callable[[str], Access]
"""Makes an institution's topic, principal and rights: `zeren.stack.local.Servers.onboard`."""
Registered = Callable[[int, int], None]
"""Called with (organisations registered, organisations in all)."""


@dataclass(frozen=True, slots=True)
class Offices:
    """Whom a registration goes through.

    Attributes:
        profiles: the folder of credentials profiles.
        services: every service that must know a key before the registration ends.
    """

    registry: Registry
    onboard: Onboard
    profiles: Path
    services: Sequence[str] = field(default=("enrolment", "certification", "payment"))


def read_organisations(path: Path) -> list[Organisation]:
    """An organisations file. Raises: msgspec.MsgspecError, RecordsUnreadable, OSError."""
    decoder = msgspec.json.Decoder(Organisation)
    return [decoder.decode(line) for _, line in read_lines(path)]


def register(offices: Offices, organisation: Organisation, key_file: Path) -> Profile:
    """Registers one organisation; ends when every service has adopted its key.

    Raises:
        KeyUnusable: the key file, or a key that is not the registered one.
        KeyNotAdopted
    """
    return register_all(offices, [(organisation, key_file)])[0]


def register_all(
    offices: Offices, wanted: Sequence[tuple[Organisation, Path]], registered: Registered | None = None
) -> list[Profile]:
    """Registers organisations, a few at once, each with its signing key's file; see `register`."""
    keys = [read_key(path) for _, path in wanted]
    for (organisation, path), key in zip(wanted, keys, strict=True):
        _must_be_its_key(organisation, key, path)
    profiles: list[Profile] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for profile in pool.map(lambda one: _register(offices, *one), wanted):
            profiles.append(profile)
            if registered:
                registered(len(profiles), len(wanted))
    await_adoption(offices, [organisation.key_id for organisation, _ in wanted])
    return profiles


def _must_be_its_key(organisation: Organisation, key: SigningKey, path: Path) -> None:
    if (key.key_id, key.public) != (organisation.key_id, organisation.public_key):
        raise ValueError(
            f"{path} 不是 {organisation.uscc} 登记的密钥 {organisation.key_id} / "
            f"{path} is not the key {organisation.key_id} of {organisation.uscc}"
        )


def _register(offices: Offices, organisation: Organisation, key_file: Path) -> Profile:
    access = offices.onboard(organisation.uscc)
    body = registration(organisation)
    offices.registry.post(
        "enrolment",
        "/institutions",
        body,
        bearer=offices.registry.as_duty("REGISTRAR"),
        idempotency_key=f"register-{_digest(body)}",
    )
    if organisation.kind == "ASSESSMENT":
        _approve_body(offices, organisation)
    profile = Profile(
        uscc=organisation.uscc,
        name=organisation.name,
        kind=organisation.kind,
        bootstrap=access.bootstrap,
        user=access.user,
        password=access.password,
        security_protocol=access.security_protocol,
        receipts_topic=access.receipts_topic,
        key_id=organisation.key_id,
        key_file=str(key_file.absolute()),
    )
    write_profile(offices.profiles, profile)
    return profile


def _approve_body(offices: Offices, organisation: Organisation) -> None:
    body = {
        "uscc": organisation.uscc,
        "scope": [{"occupation_id": one.occupation_id, "levels": one.levels} for one in organisation.scope],
        "valid_from": BODY_VALID_FROM,
        "valid_to": BODY_VALID_TO,
    }
    offices.registry.post(
        "certification",
        "/assessment-bodies",
        body,
        bearer=offices.registry.as_duty("BODY"),
        idempotency_key=f"approve-{_digest(body)}",
    )


def registration(organisation: Organisation) -> dict[str, Any]:
    """The body of `POST /institutions`."""
    key = {
        "key_id": organisation.key_id,
        "public_key": organisation.public_key,
        "valid_from": organisation.valid_from,
        "valid_until": organisation.valid_until,
    }
    account = organisation.account
    return {
        "uscc": organisation.uscc,
        "name": organisation.name,
        "kind": organisation.kind,
        "region": organisation.region,
        "key": key,
        "account": None if account is None else msgspec.structs.asdict(account),
    }


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def await_adoption(offices: Offices, key_ids: Sequence[str], *, seconds: float = ADOPTION_SECONDS) -> None:
    """Waits until every service knows every key. Raises: KeyNotAdopted."""
    deadline = time.monotonic() + seconds
    missing = [(service, key_id) for service in offices.services for key_id in key_ids]
    while True:
        missing = [one for one in missing if not offices.registry.knows_key(*one)]
        if not missing:
            return
        if time.monotonic() >= deadline:
            named = ", ".join(f"{service}: {key_id}" for service, key_id in missing[:5])
            raise KeyNotAdopted(
                f"{seconds:g} 秒内仍有服务未采纳密钥（{named}）；请看 zeren status / "
                f"not every service adopted its keys within {seconds:g} s ({named}); see zeren status"
            )
        time.sleep(POLL_SECONDS)
