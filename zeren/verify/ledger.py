"""Check a ledger, prove one of its facts, read its checkpoint: all recomputed from tiles and entries.

`where` is the ledger's URL prefix, which serves `checkpoint`, `tile/…` and `tile/entries/…`
(c2sp.org/tlog-tiles), or a folder with these files. `vkey` is the ledger's verifier key, obtained from
elsewhere than the server. Errors are those of `shared.tlog.errors` and `zeren.verify.errors`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.tlog.bundle_check import BundleCheck, check_in_order
from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.errors import ResourceMissing
from shared.tlog.log_check import Progress, verify_log
from shared.tlog.notes import MAX_NOTE_BYTES, VerifierKey
from shared.tlog.proof_file import ProofFile, parse_proof_file, verify_proof_file
from shared.tlog.proofs import TileCache, TileHashes, consistency_proof, inclusion_proof, verify_consistency
from shared.tlog.tiles import TILE_WIDTH, bundles_of, decode_bundle, tile_width
from zeren.verify.errors import FactNotFound, LedgerRewritten, NoLedger, VerifyError
from zeren.verify.files import FolderSource, Source, SourceReader
from zeren.verify.parallel import bundle_check
from zeren.verify.sources import open_source

MAX_HINT_BYTES = 4096

_FACT_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._~-]{0,127}", re.ASCII)

Hint = Literal["none", "right", "wrong"]


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """The ledger's newest word on itself, its signature verified; what it signs is not yet recomputed.

    Attributes:
        note: as served, to be kept: a later ledger must begin with it.
    """

    checkpoint: Checkpoint
    note: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger whose every entry, tile and root was recomputed and fits its signed checkpoint.

    Attributes:
        root: 32 bytes.
        facts: the entries whose bytes were hashed, equal to the size.
        note: the signed checkpoint, as served.
    """

    origin: str
    size: int
    root: bytes
    facts: int
    note: str


@dataclass(frozen=True, slots=True)
class Proven:
    """A fact proven to stand in the ledger.

    Attributes:
        entry: the fact's bytes, which were hashed.
        proof: the text of a `.tlog-proof` file; with the entry and the vkey it verifies offline.
        hint: whether the server was asked for the fact's index and told it rightly. A wrong one did no harm.
    """

    index: int
    entry: bytes
    checkpoint: Checkpoint
    proof: str
    hint: Hint


def checkpoint(where: str, vkey: str) -> SignedCheckpoint:
    """The ledger's checkpoint, signature verified."""
    with open_source(where) as source:
        return _read_checkpoint(source, VerifierKey.parse(vkey))


def verify(where: str, vkey: str, progress: Progress | None = None, processes: int | None = None) -> Verified:
    """The whole ledger, recomputed.

    A folder of 131,072 entries or more is checked by several processes, which end with this call. They run nothing
    of the caller's, so that no `if __name__ == "__main__"` is needed. A server is asked for one file at a time.

    Args:
        where: a URL prefix or a folder, see the module.
        vkey: the ledger's verifier key.
        progress: called with (entries checked, entries in all).
        processes: for a folder; by default as many as the processor cores that may be used, 1 for the caller's own.

    Raises:
        EntryDiffers, TileDiffers, RootDiffers, ResourceMissing: the first place that is wrong.
        Unsigned, Malformed: the checkpoint is not the key's.
        LedgerUnreachable, AnswerTooLarge: it could not be read.
        CheckerEnded: one of the processes was killed.
    """
    key = VerifierKey.parse(vkey)
    with open_source(where) as source:
        signed = _read_checkpoint(source, key)
        head = signed.checkpoint
        check: BundleCheck = check_in_order
        if isinstance(source, FolderSource):
            check = bundle_check(Path(source.where), head.size, processes)
        verify_log(SourceReader(source), head, progress, check)
    return Verified(head.origin, head.size, head.root, head.size, signed.note)


def verify_growth(where: str, vkey: str, older_note: str) -> SignedCheckpoint:
    """The ledger's checkpoint, proven to extend one that the caller kept (`SignedCheckpoint.note`).

    Raises:
        LedgerRewritten: it is shorter, or does not begin with the entries signed before.
        Others: as `checkpoint`; the kept one is verified too.
    """
    key = VerifierKey.parse(vkey)
    older = open_checkpoint(older_note.encode(), [key])
    with open_source(where) as source:
        signed = _read_checkpoint(source, key)
        newer = signed.checkpoint
        if older.size > newer.size:
            raise LedgerRewritten(older.size, newer.size)
        if older.size:
            hashes = TileHashes(TileCache(SourceReader(source)), newer.size)
            proof = consistency_proof(hashes, older.size, newer.size)
            if not verify_consistency(older.size, newer.size, proof, older.root, newer.root):
                raise LedgerRewritten(older.size, newer.size)
    return signed


def prove(where: str, vkey: str, fact: str | int) -> Proven:
    """A proof, made from the ledger's tiles and verified here.

    Args:
        where: a URL prefix or a folder, see the module.
        vkey: the ledger's verifier key.
        fact: the fact's id (the CloudEvents `id`), or its index in the ledger.

    Raises:
        FactNotFound: no entry has the id, or the index is not below the size.
        ProofInvalid: entry, tiles and checkpoint do not fit each other.
        Others: as `verify`.
    """
    key = VerifierKey.parse(vkey)
    with open_source(where) as source:
        signed = _read_checkpoint(source, key)
        size = signed.checkpoint.size
        reader = SourceReader(source)
        index, hint = _find(source, reader, fact, size) if isinstance(fact, str) else (fact, "none")
        if not 0 <= index < size:
            raise FactNotFound(f"#{index}", size)
        entry = _read_entry(reader, index, size)
        hashes = inclusion_proof(TileHashes(TileCache(reader), size), index, size)
    proof = ProofFile(index, tuple(hashes), signed.note)
    return Proven(index, entry, verify_proof_file(proof, entry, [key]), str(proof), hint)


def verify_proof(proof: str, entry: bytes, vkey: str) -> Checkpoint:
    """A kept `.tlog-proof` file with its entry, offline; raises as `shared.tlog.proof_file` says."""
    return verify_proof_file(parse_proof_file(proof.encode()), entry, [VerifierKey.parse(vkey)])


def _read_checkpoint(source: Source, key: VerifierKey) -> SignedCheckpoint:
    note = source.fetch("checkpoint", MAX_NOTE_BYTES)
    if note is None:
        raise NoLedger(source.where)
    return SignedCheckpoint(open_checkpoint(note, [key]), note.decode())


def _read_entry(reader: SourceReader, index: int, size: int) -> bytes:
    bundle, at = divmod(index, TILE_WIDTH)
    width = tile_width(size, 0, bundle)
    entries = decode_bundle(reader.read_entries(bundle, width))
    if at >= len(entries):
        raise ResourceMissing(f"entry {index}")
    return entries[at]


def _find(source: Source, reader: SourceReader, fact: str, size: int) -> tuple[int, Hint]:
    hinted = _hinted_index(source, fact)
    if hinted is not None and hinted < size and _has_id(_read_entry(reader, hinted, size), fact):
        return hinted, "right"
    needle = fact.encode()
    for ref in bundles_of(size):
        bundle = reader.read_entries(ref.index, ref.width)
        if needle not in bundle:
            continue
        for at, entry in enumerate(decode_bundle(bundle)):
            if needle in entry and _has_id(entry, fact):
                return ref.index * TILE_WIDTH + at, "none" if hinted is None else "wrong"
    raise FactNotFound(fact, size)


def _hinted_index(source: Source, fact: str) -> int | None:
    if not _FACT_ID.fullmatch(fact):
        return None
    # Only a hint: a server that has none, or answers rubbish, costs a scan.
    try:
        answer = source.fetch(f"index/{fact}", MAX_HINT_BYTES)
        told = json.loads(answer) if answer is not None else None
    except (VerifyError, ValueError, RecursionError):
        return None
    index = told.get("index") if isinstance(told, dict) else None
    return index if type(index) is int and index >= 0 else None


def _has_id(entry: bytes, fact: str) -> bool:
    try:
        event = json.loads(entry)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict) and event.get("id") == fact
