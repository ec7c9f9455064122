"""Sealed values open for their own key, owner and field alone; indexes and commitments are HMACs."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.vault.errors import KeyGone, SealBroken
from shared.vault.sealing import BlindIndex, SealingKey, commitment, new_key, new_salt

NUMBER = "11010519491231002X"


def test_a_sealed_value_opens_with_its_key_owner_and_field() -> None:
    """What was sealed is what is opened."""
    key = SealingKey(new_key())
    assert key.open(key.seal(b"value", "person", "name"), "person", "name") == b"value"


@pytest.mark.parametrize(("owner", "field"), [("other", "name"), ("person", "phone"), ("personname", "")])
def test_a_sealed_value_moved_to_another_owner_or_field_does_not_open(owner: str, field: str) -> None:
    """The owner and the field are bound to the ciphertext."""
    key = SealingKey(new_key())
    with pytest.raises(SealBroken):
        key.open(key.seal(b"value", "person", "name"), owner, field)


def test_every_altered_byte_of_a_sealed_value_is_noticed() -> None:
    """No byte can be changed, cut off or added without an error."""
    key = SealingKey(new_key())
    sealed = key.seal(b"value", "person", "name")
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises((SealBroken, KeyGone)):
            key.open(altered, "person", "name")
    for shortened in (b"", sealed[:1], sealed[:9], sealed[:-1], sealed + b"\0"):
        with pytest.raises((SealBroken, KeyGone)):
            key.open(shortened, "person", "name")


def test_a_value_sealed_under_a_deleted_key_is_told_from_an_altered_one() -> None:
    """Another key is KeyGone, never SealBroken: an erased value is no sign of tampering."""
    with pytest.raises(KeyGone):
        SealingKey(new_key()).open(SealingKey(new_key()).seal(b"value", "p", "f"), "p", "f")


def test_sealing_twice_gives_different_bytes() -> None:
    """Equal values can't be told by their ciphertexts."""
    key = SealingKey(new_key())
    assert key.seal(b"value", "p", "f") != key.seal(b"value", "p", "f")


def test_the_blind_index_is_an_hmac_under_a_key_derived_for_its_purpose() -> None:
    """Recomputed from the specification: HKDF-SHA256 with a fixed info, then HMAC-SHA256."""
    secret = bytes(range(32))
    key = HKDF(SHA256(), 32, salt=None, info=b"zeren/vault/index/person/v1").derive(secret)
    expected = hmac.new(key, NUMBER.encode(), hashlib.sha256).digest()
    assert BlindIndex(secret, "person").of(NUMBER) == expected


def test_indexes_of_two_purposes_or_two_secrets_never_meet() -> None:
    """An account number equal to an ID number doesn't betray its person."""
    secret = new_key()
    found = {
        BlindIndex(secret, "person").of(NUMBER),
        BlindIndex(secret, "account").of(NUMBER),
        BlindIndex(new_key(), "person").of(NUMBER),
        BlindIndex(secret, "person").of(NUMBER[:9], NUMBER[9:]),
    }
    assert len(found) == 4


def test_a_commitment_is_hmac_sha256_of_the_value_under_its_salt() -> None:
    """RFC 4231 test case 2, so that any outsider can check a disclosed value."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert commitment(b"Jefe", "what do ya want for nothing?") == expected
    assert len(new_salt()) == 32
    assert new_salt() != new_salt()
