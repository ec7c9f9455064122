"""Sealing of values, blind indexes and commitments: the vault's cryptography, without any storage.

A sealed value is `01 | key tag (8) | nonce (12) | AES-256-GCM ciphertext and tag`, with the owner and the field
as associated data, so that a row copied to another person or field doesn't open. The key tag tells a deleted
key from an altered value.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.vault.errors import KeyGone, SealBroken

KEY_BYTES = 32
SALT_BYTES = 32
NONCE_BYTES = 12
_VERSION = b"\x01"
_TAG_END = 1 + 8
_NONCE_END = _TAG_END + NONCE_BYTES


def new_key() -> bytes:
    """A random AES-256 key."""
    return secrets.token_bytes(KEY_BYTES)


def bound_to(*parts: str) -> bytes:
    """Associated data of parts that hold no NUL: two different lists never meet."""
    return "\0".join(parts).encode()


class SealingKey:
    """A key that seals values of one owner: a person's data key or a service's key.

    Nonces are random: one key may seal 2^32 values (NIST SP 800-38D §8.3).
    """

    __slots__ = ("_aead", "_tag")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._tag = hmac.digest(key, b"zeren/vault/key-tag/v1", "sha256")[:8]

    def __repr__(self) -> str:
        return "SealingKey(***)"

    def seal(self, value: bytes, owner: str, field: str) -> bytes:
        """The value, readable with this key, owner and field alone."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _VERSION + self._tag + nonce + self._aead.encrypt(nonce, value, bound_to(owner, field))

    def open(self, sealed: bytes, owner: str, field: str) -> bytes:
        """What was sealed.

        Raises:
            KeyGone: it was sealed under another key.
            SealBroken: altered, or sealed for another owner or field.
        """
        if sealed[:1] != _VERSION:
            raise SealBroken
        if not hmac.compare_digest(sealed[1:_TAG_END], self._tag):
            raise KeyGone
        try:
            return self._aead.decrypt(
                sealed[_TAG_END:_NONCE_END], sealed[_NONCE_END:], bound_to(owner, field)
            )
        except (InvalidTag, ValueError):
            raise SealBroken from None


class BlindIndex:
    """HMAC-SHA256 under a key of its own for each purpose (HKDF of the index secret): equal values meet.

    The index secret is drawn once and never changes, so an index outlives every change of the master key. Who
    lacks it can't try the 10^7 ID numbers of a county against an index.
    """

    __slots__ = ("_key",)

    def __init__(self, index_secret: bytes, purpose: str) -> None:
        derive = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"zeren/vault/index/{purpose}/v1".encode())
        self._key = derive.derive(index_secret)

    def __repr__(self) -> str:
        return "BlindIndex(***)"

    def of(self, *parts: str) -> bytes:
        """The index of a value, 32 bytes."""
        return hmac.digest(self._key, bound_to(*parts), "sha256")


def new_salt() -> bytes:
    """A fresh 32-byte salt for one commitment."""
    return secrets.token_bytes(SALT_BYTES)


def commitment(salt: bytes, value: str) -> str:
    """HMAC-SHA256(salt, value in UTF-8) as hex: says nothing of the value once the salt is gone."""
    return hmac.new(salt, value.encode(), hashlib.sha256).hexdigest()
