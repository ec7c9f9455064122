"""Merkle tree hashing of RFC 6962 §2.1 with SHA-256."""

from __future__ import annotations

from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf, 32 bytes: SHA-256(0x00 || entry). Source: RFC 6962 §2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes: SHA-256(0x01 || left || right). Source: RFC 6962 §2.1."""
    return sha256(b"\x01" + left + right).digest()


def pair_up(hashes: bytes) -> bytes:
    """One step up the tree: each two of the joined 32-byte hashes become their node.

    A last hash without a partner is left out; `subtree_root` is what carries it upward.
    """
    whole = len(hashes) & ~63
    return b"".join([sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, whole, 64)])


def subtree_root(hashes: bytes) -> bytes:
    """The Merkle tree hash over joined 32-byte hashes; b"" of none (see `EMPTY_ROOT`).

    A hash without a partner moves up unchanged, which for every count gives the split of
    RFC 6962 §2.1 at the largest power of two below it.
    """
    while len(hashes) > HASH_SIZE:
        hashes = pair_up(hashes) + hashes[len(hashes) & ~63 :]
    return hashes
