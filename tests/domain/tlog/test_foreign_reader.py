"""An independent reader (tlog-scales) takes our files, checkpoint and proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint as ForeignCheckpoint
from tlog_scales.tlog import ConsistencyProof, InclusionProof, InclusionProofInvalid

from shared.tlog.checkpoint import sign_checkpoint
from shared.tlog.hashing import leaf_hash
from shared.tlog.notes import Signer
from shared.tlog.proofs import TileCache, TileHashes, consistency_proof, inclusion_proof

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

Logs = Callable[[Sequence[bytes]], "MemoryLog"]
Entries = Callable[[int], list[bytes]]


def test_it_reads_our_folder_and_finds_our_root(
    tmp_path: Path, signer: Signer, log_of: Logs, payments: Entries
) -> None:
    """Checkpoint signature, root from tiles, an entry, and proofs equal to ours."""
    entries = payments(1000)
    log = log_of(entries)
    log.write(tmp_path, signer)
    reader = TilesReader(LocalBackend(tmp_path))
    head = reader.get_checkpoint()
    head.verify(Vkey.from_string(str(signer.vkey)))
    assert reader.calculate_root_hash() == head.root_hash == log.edge.root()
    assert reader.get_entry(777) == entries[777]
    ours = TileHashes(TileCache(log), 1000)
    for index in (0, 511, 777, 999):
        assert reader.get_inclusion_proof(index, 1000).node_hashes == inclusion_proof(ours, index, 1000)
    for old in (1, 256, 700, 1000):
        assert reader.get_consistency_proof(old, 1000).node_hashes == consistency_proof(ours, old, 1000)


def test_it_accepts_our_checkpoint_and_our_proofs(signer: Signer, log_of: Logs, payments: Entries) -> None:
    """And refuses both when altered, so that its acceptance says something."""
    entries = payments(1000)
    log = log_of(entries)
    note = sign_checkpoint(log.checkpoint, [signer])
    vkey = Vkey.from_string(str(signer.vkey))
    ForeignCheckpoint.from_text(note).verify(vkey)
    with pytest.raises(InvalidSignature):
        ForeignCheckpoint.from_text(note.replace("\n1000\n", "\n1001\n")).verify(vkey)
    tree = TileHashes(TileCache(log), 1000)
    inclusion = InclusionProof(640, 1000, inclusion_proof(tree, 640, 1000))
    inclusion.check(leaf_hash(entries[640]), log.edge.root())
    with pytest.raises(InclusionProofInvalid):
        inclusion.check(leaf_hash(entries[641]), log.edge.root())
    older = log_of(entries[:300])
    ConsistencyProof(300, 1000, consistency_proof(tree, 300, 1000)).check(older.edge.root(), log.edge.root())
