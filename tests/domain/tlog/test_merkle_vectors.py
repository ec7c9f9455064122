"""Hashing and proof verification against vectors and constants of others."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from shared.tlog.hashing import EMPTY_ROOT, leaf_hash, node_hash, subtree_root
from shared.tlog.proofs import verify_consistency, verify_inclusion
from shared.tlog.tree import Edge

VECTORS = Path(__file__).parents[2] / "vectors"
INCLUSION = json.loads((VECTORS / "merkle-inclusion.json").read_text("utf-8"))
CONSISTENCY = json.loads((VECTORS / "merkle-consistency.json").read_text("utf-8"))

# transparency-dev/merkle, testonly/constants.go.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _hashes(proof: list[str] | None) -> list[bytes]:
    return [b64decode(each) for each in proof or []]


def test_the_vectors_are_all_there() -> None:
    """98 inclusion and 98 consistency vectors, accepting and refusing ones among both."""
    assert (len(INCLUSION), len(CONSISTENCY)) == (98, 98)
    assert {vector["wantErr"] for vector in INCLUSION} == {True, False}
    assert {vector["wantErr"] for vector in CONSISTENCY} == {True, False}


@pytest.mark.parametrize("vector", INCLUSION, ids=lambda vector: vector["case"])
def test_inclusion_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    """An inclusion proof is accepted exactly where transparency-dev/merkle accepts it."""
    leaf, root = b64decode(vector["leafHash"] or ""), b64decode(vector["root"] or "")
    accepted = verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], _hashes(vector["proof"]), root)
    assert accepted is not vector["wantErr"]


@pytest.mark.parametrize("vector", CONSISTENCY, ids=lambda vector: vector["case"])
def test_consistency_is_judged_as_the_vector_says(vector: dict[str, Any]) -> None:
    """A consistency proof is accepted exactly where transparency-dev/merkle accepts it."""
    older, newer = b64decode(vector["root1"] or ""), b64decode(vector["root2"] or "")
    accepted = verify_consistency(vector["size1"], vector["size2"], _hashes(vector["proof"]), older, newer)
    assert accepted is not vector["wantErr"]


def test_the_roots_of_the_eight_reference_leaves() -> None:
    """Each prefix of transparency-dev's leaves has the root that they publish, the empty tree included."""
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    whole = [(subtree_root(joined) or EMPTY_ROOT).hex() for joined in accumulate(hashes, initial=b"")]
    grown = [Edge().append(hashes[:size]).edge.root().hex() for size in range(9)]
    assert whole == ROOTS
    assert grown == ROOTS


def test_a_leaf_and_a_node_are_hashed_apart() -> None:
    """golang/mod's RecordHash of "hello world", and the reference tree's first node."""
    assert b64encode(leaf_hash(b"hello world")) == b"TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0="
    left, right = leaf_hash(b""), leaf_hash(b"\x00")
    assert node_hash(left, right).hex() == ROOTS[2]
    assert leaf_hash(left + right) != node_hash(left, right)
