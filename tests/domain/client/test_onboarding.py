"""Registering organisations: what is asked of whom, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from zeren.institution.keys import SigningKey, write_key
from zeren.institution.onboarding import (
    Account,
    KeyNotAdopted,
    Offices,
    Organisation,
    Scope,
    await_adoption,
    register,
)
from zeren.institution.profile import read_profile

USCC = "91350100M000100Y43"


@dataclass(frozen=True, slots=True)
class Access:
    """What the administrator gives an institution."""

    bootstrap: str = "127.0.0.1:1"
    user: str = f"inst-{USCC}"
    password: str = "p"
    security_protocol: str = "SASL_PLAINTEXT"
    receipts_topic: str = f"zeren.receipts.{USCC}.v1"


@dataclass
class Registry:
    """Services that adopt a key at the n-th look."""

    looks_needed: int = 1
    posts: list[tuple[str, str, Any, str, str | None]] = field(default_factory=list)
    looks: dict[tuple[str, str], int] = field(default_factory=dict)

    def as_duty(self, duty: str) -> str:
        """A token that names its duty."""
        return f"token-{duty}"

    def post(
        self, service: str, path: str, body: Any, *, bearer: str, idempotency_key: str | None = None
    ) -> Any:
        """Notes what was asked."""
        self.posts.append((service, path, body, bearer, idempotency_key))
        return {}

    def knows_key(self, service: str, key_id: str) -> bool:
        """From the n-th look on."""
        self.looks[service, key_id] = self.looks.get((service, key_id), 0) + 1
        return self.looks[service, key_id] >= self.looks_needed


def organisation(key: SigningKey, kind: str = "TRAINING") -> Organisation:
    return Organisation(
        uscc=USCC,
        name="福州某某培训学校",
        kind=kind,
        region="350100",
        key_id=key.key_id,
        public_key=key.public,
        valid_from="2024-01-01T00:00:00+08:00",
        scope=[Scope("elder-carer", ["5", "4"])] if kind == "ASSESSMENT" else [],
        account=Account("6222000000000000001", "学校", "银行") if kind == "TRAINING" else None,
    )


@pytest.fixture
def key_file(tmp_path: Path, key: SigningKey) -> Path:
    path = tmp_path / "k.jwk"
    write_key(path, key)
    return path


def test_a_registration_ends_when_every_service_knows_the_key(
    tmp_path: Path, key: SigningKey, key_file: Path
) -> None:
    """Each of the three deciding services is looked at until it knows; then there is a profile."""
    registry = Registry(looks_needed=3)
    profile = register(Offices(registry, lambda _uscc: Access(), tmp_path), organisation(key), key_file)
    assert registry.looks == {
        (service, key.key_id): 3 for service in ("enrolment", "certification", "payment")
    }
    assert read_profile(tmp_path / f"{USCC}.toml") == profile
    assert profile.key().public == key.public


def test_the_same_registration_has_the_same_idempotency_key(
    tmp_path: Path, key: SigningKey, key_file: Path
) -> None:
    """A repetition is the same request to the services; other particulars are another."""
    registry = Registry()
    offices = Offices(registry, lambda _uscc: Access(), tmp_path)
    register(offices, organisation(key), key_file)
    register(offices, organisation(key), key_file)
    register(offices, organisation(key, "BANK"), key_file)
    keys = [idempotency for *_, idempotency in registry.posts]
    assert keys[0] == keys[1] != keys[2]


def test_an_assessment_body_is_also_approved_within_its_scope(
    tmp_path: Path, key: SigningKey, key_file: Path
) -> None:
    """By another office than the registrar's, at certification."""
    registry = Registry()
    register(Offices(registry, lambda _uscc: Access(), tmp_path), organisation(key, "ASSESSMENT"), key_file)
    asked = [(service, path, bearer) for service, path, _, bearer, _ in registry.posts]
    assert asked == [
        ("enrolment", "/institutions", "token-REGISTRAR"),
        ("certification", "/assessment-bodies", "token-BODY"),
    ]
    assert registry.posts[1][2]["scope"] == [{"occupation_id": "elder-carer", "levels": ["5", "4"]}]


def test_a_key_file_that_is_not_the_registered_key_stops_it_before_anything_is_made(
    tmp_path: Path, key: SigningKey, key_file: Path
) -> None:
    """Nobody is registered with a key that cannot sign for them."""
    registry = Registry()
    other = organisation(SigningKey.generate(key.key_id))
    with pytest.raises(ValueError, match="is not the key"):
        register(Offices(registry, lambda _uscc: Access(), tmp_path), other, key_file)
    assert registry.posts == []


def test_a_service_that_never_adopts_the_key_is_named(tmp_path: Path) -> None:
    """The wait has a deadline and says who is missing."""
    offices = Offices(Registry(looks_needed=10**9), lambda _uscc: Access(), tmp_path, ("payment",))
    with pytest.raises(KeyNotAdopted, match="payment: K-1"):
        await_adoption(offices, ["K-1"], seconds=0.05)


def test_an_account_shows_nowhere() -> None:
    """Not in the repr of an organisation that holds it."""
    key = SigningKey.generate("K-1")
    assert "6222000000000000001" not in repr(organisation(key))
