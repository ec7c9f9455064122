"""Detached JWS over a submission's exact bytes: Ed25519, RFC 7797 (b64=false), the key named by `kid`."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.contracts.checking import names_doubled
from shared.eventstore.changes import KnowKey
from shared.identity import is_reference

MAX_JWS_BYTES = 1_024
ALGORITHM = "Ed25519"


class BadSignature(ValueError):
    """The submission can't be attributed.

    Attributes:
        code: "signature.…", for the quarantine fact.
        key_id: the key that it claims, where one could be read.
    """

    def __init__(self, code: str, key_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.key_id = key_id


class _Protected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    kid: str
    b64: bool = True
    crit: list[str] = []


class Detached(msgspec.Struct, frozen=True):
    """A well-formed detached signature, not verified yet.

    Attributes:
        protected: the encoded protected header; part of what is signed.
    """

    key_id: str
    protected: bytes
    signature: bytes


_header = msgspec.json.Decoder(_Protected)


def parse_jws(jws: bytes | None) -> Detached:
    """The parts of a `jws` header. Raises: BadSignature."""
    if not jws:
        raise BadSignature("signature.missing")
    parts = jws.split(b".")
    if len(jws) > MAX_JWS_BYTES or len(parts) != 3 or parts[1]:
        raise BadSignature("signature.malformed")
    try:
        protected, signature = _unpadded(parts[0]), _unpadded(parts[2])
        header = _header.decode(protected)
        doubled = names_doubled(protected)
    except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError, RecursionError):
        raise BadSignature("signature.malformed") from None
    if doubled or not is_reference(header.kid):
        raise BadSignature("signature.malformed")
    if header.alg != ALGORITHM:
        raise BadSignature("signature.algorithm_not_allowed", header.kid)
    if header.b64 or header.crit != ["b64"] or len(signature) != 64:
        raise BadSignature("signature.malformed", header.kid)
    return Detached(header.kid, parts[0], signature)


def _unpadded(text: bytes) -> bytes:
    """Base64url without padding, strictly (RFC 7515 §2)."""
    if b"=" in text or b"+" in text or b"/" in text:
        raise binascii.Error
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


def verify(
    detached: Detached, value: bytes, key: KnowKey | None, *, sender: str, logged_at: datetime
) -> None:
    """Checks key, sender, validity by the broker's clock, and the signature, in this order.

    Raises: BadSignature.
    """
    if key is None:
        raise BadSignature("signature.key_unknown", detached.key_id)
    if key.uscc != sender:
        raise BadSignature("signature.key_of_other_institution", detached.key_id)
    if logged_at < key.valid_from or (key.valid_until is not None and logged_at >= key.valid_until):
        raise BadSignature("signature.key_not_valid_then", detached.key_id)
    try:
        _public_key(bytes(key.public_key)).verify(detached.signature, detached.protected + b"." + value)
    except InvalidSignature:
        raise BadSignature("signature.invalid", detached.key_id) from None


@lru_cache(maxsize=4_096)
def _public_key(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)
