"""Tokens: JWT (RFC 7519) signed with Ed25519 (RFC 9864), short-lived, naming who acts and with which duties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from joserfc import jwt
from joserfc.jwk import OKPKey

ISSUER_NAME = "zeren-local-issuer"
AUDIENCE = "zeren"
ALGORITHM = "Ed25519"
LONGEST_SECONDS = 12 * 3600
DEFAULT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Issued:
    """A token for its bearer.

    Attributes:
        subject: "handler:<id>" or "person:<person id>".
        expires_in: seconds.
    """

    token: str = field(repr=False)
    subject: str
    duties: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Signs tokens with one key, each valid for `seconds`.

    Raises:
        ValueError: a lifetime that is not within 1 second and 12 hours.
    """

    key: OKPKey = field(repr=False)
    seconds: int = DEFAULT_SECONDS

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise ValueError(
                f"令牌有效期须为 1 至 {LONGEST_SECONDS} 秒 / a token lives 1 to {LONGEST_SECONDS} seconds"
            )

    def issue(self, subject: str, duties: Sequence[str], *, now: int) -> Issued:
        """A token for a subject; `now` is in seconds since 1970."""
        claims = {
            "iss": ISSUER_NAME,
            "aud": AUDIENCE,
            "sub": subject,
            "duties": list(duties),
            "iat": now,
            "nbf": now,
            "exp": now + self.seconds,
        }
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": self.key.kid}
        token = jwt.encode(header, claims, self.key, algorithms=[ALGORITHM])
        return Issued(token, subject, tuple(duties), self.seconds)
