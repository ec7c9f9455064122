"""Wrapping of keys by a master key; `KeyWrapper` is where a KMS or an HSM is plugged in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.vault.errors import SealBroken, UnknownMasterKey
from shared.vault.sealing import NONCE_BYTES, bound_to


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it lies in the database.

    Attributes:
        key_id: the master key that wraps it.
        wrapped: `nonce (12) | AES-256-GCM`, or whatever a KMS gives.
    """

    key_id: str
    wrapped: bytes = field(repr=False)


class KeyWrapper(Protocol):
    """Wraps keys under a master key that it never gives away. Must be usable from several threads."""

    @property
    def current(self) -> str:
        """The id of the master key that new keys are wrapped under."""

    def wrap(self, key: bytes, owner: str) -> WrappedKey:
        """Wrap a key for its owner (a person's id, a service key's name) under the current master key."""

    def unwrap(self, key: WrappedKey, owner: str) -> bytes:
        """The key.

        Raises:
            UnknownMasterKey: we don't have the master key.
            SealBroken: altered, or wrapped for another owner.
        """


class MasterKeys:
    """Master keys held in memory, newest first. The associated data is the owner and the master key's id."""

    __slots__ = ("_aeads", "_current")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Args: keys: 32 bytes each, by key id, the newest first; at least one."""
        self._aeads = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._aeads)})"

    @property
    def current(self) -> str:
        """See `KeyWrapper`."""
        return self._current

    def wrap(self, key: bytes, owner: str) -> WrappedKey:
        """See `KeyWrapper`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._aeads[self._current].encrypt(nonce, key, bound_to(owner, self._current))
        return WrappedKey(self._current, nonce + sealed)

    def unwrap(self, key: WrappedKey, owner: str) -> bytes:
        """See `KeyWrapper`."""
        aead = self._aeads.get(key.key_id)
        if aead is None:
            raise UnknownMasterKey(key.key_id)
        nonce, sealed = key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:]
        try:
            return aead.decrypt(nonce, sealed, bound_to(owner, key.key_id))
        except (InvalidTag, ValueError):
            raise SealBroken from None
