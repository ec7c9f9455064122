"""Proofs made from tiles verify; anything else in their place does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.hashing import leaf_hash
from shared.tlog.proofs import (
    TileCache,
    TileHashes,
    consistency_proof,
    inclusion_proof,
    range_hash,
    verify_consistency,
    verify_inclusion,
)
from shared.tlog.tree import Edge

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

Logs = Callable[[Sequence[bytes]], "MemoryLog"]
Entries = Callable[[int], list[bytes]]


def _tree(log: MemoryLog) -> TileHashes:
    return TileHashes(TileCache(log), log.edge.size)


@given(st.data())
def test_an_inclusion_proof_verifies_for_its_leaf_alone(
    log_of: Logs, payments: Entries, data: st.DataObject
) -> None:
    """Accepted as made; refused for another leaf, index, size, root, and with any bit of it changed."""
    size = data.draw(st.integers(1, 1200), "size")
    index = data.draw(st.integers(0, size - 1), "index")
    log, leaf = log_of(payments(size)), leaf_hash(payments(size)[index])
    root = log.edge.root()
    proof = inclusion_proof(_tree(log), index, size)
    assert verify_inclusion(leaf, index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not verify_inclusion(leaf, index, size, [*proof, leaf], root)
    assert not verify_inclusion(leaf, index, size, proof, leaf_hash(root))
    assert not verify_inclusion(leaf, size, size, proof, root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1), "changed hash")
        changed = [*proof]
        changed[at] = _flipped(proof[at], data.draw(st.integers(0, 255), "changed bit"))
        assert not verify_inclusion(leaf, index, size, changed, root)
        assert not verify_inclusion(leaf, index, size, proof[:-1], root)
        assert not verify_inclusion(leaf, index ^ 1, size, proof, root)


@given(st.data())
def test_a_consistency_proof_verifies_for_its_two_trees_alone(
    log_of: Logs, payments: Entries, data: st.DataObject
) -> None:
    """Accepted as made; refused for a log with one older entry changed, and with any bit of it changed."""
    new = data.draw(st.integers(1, 1200), "new")
    old = data.draw(st.integers(1, new), "old")
    entries = payments(new)
    log = log_of(entries)
    old_root, new_root = _root(entries[:old]), log.edge.root()
    proof = consistency_proof(_tree(log), old, new)
    assert verify_consistency(old, new, proof, old_root, new_root)
    assert not verify_consistency(old, new, proof, _root([*entries[: old - 1], b"rewritten"]), new_root)
    assert not verify_consistency(old, new, [*proof, old_root], old_root, new_root)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1), "changed hash")
        changed = [*proof]
        changed[at] = _flipped(proof[at], data.draw(st.integers(0, 255), "changed bit"))
        assert not verify_consistency(old, new, changed, old_root, new_root)


def test_a_proof_crosses_three_levels_of_tiles(log_of: Logs, payments: Entries) -> None:
    """70,000 entries have tiles on three levels; first, last and edge leaves are proven."""
    log = log_of(payments(70_000))
    tree = _tree(log)
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        leaf = leaf_hash(payments(70_000)[index])
        assert verify_inclusion(leaf, index, 70_000, inclusion_proof(tree, index, 70_000), log.edge.root())
    for old in (1, 255, 256, 65_536, 69_999, 70_000):
        proof = consistency_proof(tree, old, 70_000)
        assert verify_consistency(old, 70_000, proof, _root(payments(old)), log.edge.root())
    assert range_hash(tree, 0, 70_000) == log.edge.root()


def test_a_proof_can_be_made_for_an_older_size(log_of: Logs, payments: Entries) -> None:
    """A checkpoint kept for months still has its proofs, from the tiles of then."""
    log = log_of(payments(700))
    older = TileHashes(TileCache(log_of(payments(300))), 300)
    proof = inclusion_proof(older, 299, 300)
    assert verify_inclusion(leaf_hash(payments(300)[299]), 299, 300, proof, _root(payments(300)))
    assert not verify_inclusion(leaf_hash(payments(300)[299]), 299, 700, proof, log.edge.root())


def test_a_proof_from_an_altered_tile_does_not_verify(log_of: Logs, payments: Entries) -> None:
    """Whoever serves the tiles need not be trusted."""
    log = log_of(payments(600))
    log.files["tile/0/000"] = _flipped(log.files["tile/0/000"], 8 * 40)
    proof = inclusion_proof(_tree(log), 7, 600)
    assert not verify_inclusion(leaf_hash(payments(600)[7]), 7, 600, proof, log.edge.root())


def test_what_does_not_exist_has_no_proof(log_of: Logs, payments: Entries) -> None:
    """No leaf at the size, none below zero, and nothing to prove about an empty tree."""
    tree = _tree(log_of(payments(9)))
    for index in (-1, 9):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(tree, index, 9)
    for old in (0, 10):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_proof(tree, old, 9)


def _root(entries: Sequence[bytes]) -> bytes:
    return Edge().append([leaf_hash(entry) for entry in entries]).edge.root()


def _flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
