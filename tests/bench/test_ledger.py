"""Proofs made from a mirror of the log verify offline."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench.ledger import DOSSIERS, dossier_ms, prove_some
from shared.tlog.checkpoint import Checkpoint, sign_checkpoint
from shared.tlog.errors import ProofInvalid
from shared.tlog.hashing import leaf_hash
from shared.tlog.notes import Signer
from shared.tlog.tiles import BundleRef, TileRef, encode_bundle
from shared.tlog.tree import Edge

SIGNER = Signer.from_seed("bench.example/log", bytes(32))
ENTRIES = [b"fact %d" % number for number in range(300)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    growth = Edge().append([leaf_hash(entry) for entry in ENTRIES])
    edge = growth.edge
    files = {TileRef(tile.level, tile.index).path: tile.hashes for tile in growth.tiles}
    files |= {TileRef(0, 1, 44).path: edge.levels[0], TileRef(1, 0, 1).path: edge.levels[1]}
    files |= {
        BundleRef(0).path: encode_bundle(ENTRIES[:256]),
        BundleRef(1, 44).path: encode_bundle(ENTRIES[256:]),
    }
    note = sign_checkpoint(Checkpoint(SIGNER.vkey.name, edge.size, edge.root()), [SIGNER])
    for path, content in {**files, "checkpoint": note.encode()}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def test_every_proof_of_the_mirror_verifies(log: Path) -> None:
    """With its entry, and with no other."""
    vkey = str(SIGNER.vkey)
    proofs, seconds = prove_some(log, vkey, 1_000, Random(1))  # noqa: S311 - a choice
    assert [entry for _, entry in proofs] == ENTRIES
    assert len(seconds) == len(ENTRIES)
    assert len(dossier_ms(proofs, vkey)) == DOSSIERS
    with pytest.raises(ProofInvalid):
        dossier_ms([(proofs[0][0], proofs[1][1])], vkey)
