"""Copying a ledger's files: what a caller holds, the operator can no longer change unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.tlog.errors import ResourceMissing
from shared.tlog.hashing import HASH_SIZE
from shared.tlog.tiles import MAX_BUNDLE_BYTES, TILE_WIDTH, BundleRef, TileRef, bundles_of, tiles_of
from zeren.verify import ledger
from zeren.verify.ledger import SignedCheckpoint
from zeren.verify.sources import open_source

CHECKPOINT = "checkpoint"
Progress = Callable[[int, int], None]


def copy_ledger(where: str, folder: Path, vkey: str, progress: Progress | None = None) -> SignedCheckpoint:
    """Copies the files of a log, as of its newest checkpoint, into a folder that `ledger.verify` takes for a log.

    Full tiles and bundles never change: those that the folder has are not fetched again. The checkpoint is written
    last, so that a copy that was broken off is still the older one. Nothing but its signature is verified here.

    Raises:
        ResourceMissing, VerifyError, TlogError: the log lacks a file, does not answer, or its checkpoint is not signed.
        OSError: the folder can't be written.
    """
    signed = ledger.checkpoint(where, vkey)
    refs: list[TileRef | BundleRef] = [
        *tiles_of(signed.checkpoint.size),
        *bundles_of(signed.checkpoint.size),
    ]
    with open_source(where) as source:
        for number, ref in enumerate(refs, 1):
            file = folder / ref.path
            if ref.width < TILE_WIDTH or not file.exists():
                limit = ref.width * HASH_SIZE if isinstance(ref, TileRef) else MAX_BUNDLE_BYTES
                content = source.fetch(ref.path, limit)
                if content is None:
                    raise ResourceMissing(ref.path)
                _write(file, content)
            if progress is not None:
                progress(number, len(refs))
    _write(folder / CHECKPOINT, signed.note.encode())
    return signed


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(file)
