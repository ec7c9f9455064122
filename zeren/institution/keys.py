"""Signing keys: Ed25519 as JWK files (RFC 8037), and the detached signature over a document's exact bytes."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.identity import REFERENCE

ALGORITHM = "Ed25519"
MAX_JWS_BYTES = 1_024


class KeyUnusable(ValueError):
    """A key file can't be read, others may read it, or it holds no Ed25519 private key with a `kid`."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private signing key.

    Attributes:
        key_id: the `kid` under which its public half is registered.
    """

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, key_id: str) -> SigningKey:
        """A new key. Raises: KeyUnusable: the id is no plain reference of 1–64 characters."""
        if REFERENCE.fullmatch(key_id) is None:
            raise KeyUnusable(f"密钥编号不合规：{key_id} / not a plain key id: {key_id}")
        return cls(key_id, Ed25519PrivateKey.generate())

    @property
    def public(self) -> str:
        """The public key: 32 bytes, base64url without padding."""
        return base64url(self.private.public_key().public_bytes_raw())

    def signer(self) -> Callable[[bytes], bytes]:
        """Signs a document: answers the value of the Kafka header `jws` (RFC 7797, b64=false)."""
        header = {"alg": ALGORITHM, "b64": False, "crit": ["b64"], "kid": self.key_id}
        protected = base64url(json.dumps(header, separators=(",", ":")).encode()).encode()

        def sign(value: bytes) -> bytes:
            signature = self.private.sign(protected + b"." + value)
            return protected + b".." + base64url(signature).encode()

        return sign


def base64url(content: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def read_key(path: Path) -> SigningKey:
    """The key of a JWK file. Raises: KeyUnusable."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnusable(f"{path} 可被他人读取：请 chmod 600 / others may read {path}: chmod 600 it")
        row = json.loads(path.read_text("utf-8"))
        if (row["kty"], row["crv"]) != ("OKP", "Ed25519") or REFERENCE.fullmatch(row.get("kid", "")) is None:
            raise KeyUnusable(f"{path} 不是带 kid 的 Ed25519 JWK / {path} is no Ed25519 JWK with a kid")
        return SigningKey(row["kid"], Ed25519PrivateKey.from_private_bytes(_bytes_of(row["d"])))
    except OSError as error:
        raise KeyUnusable(
            f"无法读取 {path}：{error.strerror} / can't read {path}: {error.strerror}"
        ) from error
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        if isinstance(error, KeyUnusable):
            raise
        raise KeyUnusable(f"{path} 不是 Ed25519 私钥 JWK / {path} is no Ed25519 private key (JWK)") from None


def write_key(path: Path, key: SigningKey) -> None:
    """A new JWK file, mode 0600. Raises: FileExistsError: a key is never overwritten."""
    row = {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": key.key_id,
        "x": key.public,
        "d": base64url(key.private.private_bytes_raw()),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(row, file)


def signature_form(jws: bytes | None) -> str:
    """The code that a service would quarantine this `jws` header for, judging its form alone; "" for none."""
    if not jws:
        return "signature.missing"
    parts = jws.split(b".")
    if len(jws) > MAX_JWS_BYTES or len(parts) != 3 or parts[1]:
        return "signature.malformed"
    try:
        header = json.loads(_strict(parts[0]))
        signature = _strict(parts[2])
    except (ValueError, RecursionError):
        return "signature.malformed"
    return _header_form(header) or ("" if len(signature) == 64 else "signature.malformed")


def _header_form(header: object) -> str:
    if not isinstance(header, dict) or not set(header) <= {"alg", "b64", "crit", "kid"}:
        return "signature.malformed"
    kid, alg = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not isinstance(alg, str) or REFERENCE.fullmatch(kid) is None:
        return "signature.malformed"
    if alg != ALGORITHM:
        return "signature.algorithm_not_allowed"
    return "" if header.get("b64") is False and header.get("crit") == ["b64"] else "signature.malformed"


def _strict(text: bytes) -> bytes:
    if b"=" in text or b"+" in text or b"/" in text:
        raise ValueError("not base64url without padding")
    return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
