"""Bearer tokens of the issuer: JWT (RFC 7519) signed with Ed25519, checked against its published keys."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import Header
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.access.actor import Actor
from shared.access.commands import ActionNotAuthenticated, DutyNotHeld
from shared.access.rate import Rate

AUDIENCE = "zeren"
KINDS = ("handler", "person")

Authenticate = Callable[..., Actor]
"""A FastAPI dependency: the acting person, or 401."""


def authenticator(jwks_file: Path, rate: Rate | None = None) -> Authenticate:
    """A dependency that takes tokens signed by the keys in a JWKS file, and bounds how often each actor asks."""
    keys = KeySet.import_key_set(json.loads(jwks_file.read_text()))

    def authenticate(authorization: Annotated[str, Header(max_length=4_096)] = "") -> Actor:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ActionNotAuthenticated
        actor = actor_of(token, keys, int(time.time()))
        if rate is not None:
            rate.take(f"{actor.kind}:{actor.id}")
        return actor

    return authenticate


def actor_of(token: str, keys: KeySet, now: int) -> Actor:
    """Whom a token names. Raises: ActionNotAuthenticated.

    Args:
        token: its `sub` is "handler:<id>" or "person:<id>", its `duties` a list.
        keys: the issuer's public keys.
        now: seconds since 1970, against `exp` and `nbf`.
    """
    registry = jwt.JWTClaimsRegistry(
        now=now, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}, sub={"essential": True}
    )
    try:
        claims = jwt.decode(token, keys, algorithms=["Ed25519"]).claims
        registry.validate(claims)
    except (JoseError, ValueError):
        raise ActionNotAuthenticated from None
    kind, _, name = str(claims["sub"]).partition(":")
    duties = claims.get("duties", [])
    if kind not in KINDS or not name or not isinstance(duties, list):
        raise ActionNotAuthenticated
    return Actor(kind, name, frozenset(str(duty) for duty in duties))


def require(actor: Actor, *duties: str) -> None:
    """Raises DutyNotHeld unless the actor holds one of the duties."""
    if not actor.duties & set(duties):
        raise DutyNotHeld
