"""Checkpoints: a log's signed word on its size and root. Source: c2sp.org/tlog-checkpoint v1.0.0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.tlog.base64text import from_base64, to_base64
from shared.tlog.errors import MalformedCheckpoint
from shared.tlog.hashing import EMPTY_ROOT, HASH_SIZE
from shared.tlog.notes import Signer, VerifierKey, open_note, sign_note

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head.

    Attributes:
        origin: the log's identity, its URL prefix without a scheme.
        size: leaves.
        root: 32 bytes.
        extensions: further lines, which auditors cannot check; ours has none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(lines) or any("\n" in line for line in lines):
            raise MalformedCheckpoint(
                "检查点的来源或扩展行为空", "the checkpoint's origin or an extension line is empty"
            )
        if not 0 <= self.size < 1 << 63 or len(self.root) != HASH_SIZE:
            raise MalformedCheckpoint(
                "检查点的条数或根散列无效", "the checkpoint's size or root hash is not valid"
            )
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedCheckpoint(
                "空账本的根散列不符", "the root of an empty log is not that of an empty tree"
            )

    @property
    def text(self) -> str:
        """The note text that is signed."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join([f"{line}\n" for line in lines])


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of a note text; it is not verified, see `open_checkpoint`.

    Raises:
        MalformedCheckpoint: not lines of origin, size without leading zeros and base64 root, none empty.
    """
    lines = text.split("\n")
    root = from_base64(lines[2]) if len(lines) >= 4 else None
    if root is None or lines[-1] or not _SIZE.fullmatch(lines[1]):
        raise MalformedCheckpoint(
            "检查点须依次为来源、条数、base64 根散列，每行一项",
            "a checkpoint has lines of origin, size and base64 root hash",
        )
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:-1]))


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer]) -> str:
    """The checkpoint as a signed note.

    A log must never sign a checkpoint that is inconsistent with one it signed before: the caller's duty.
    """
    return sign_note(checkpoint.text, signers)


def open_checkpoint(message: bytes, keys: Iterable[VerifierKey], origin: str | None = None) -> Checkpoint:
    """The checkpoint of a signed note, verified.

    Args:
        message: the note's bytes.
        keys: the log's keys that the caller trusts.
        origin: the log that is asked for; by default the keys' own name, as logs should name themselves.

    Raises:
        MalformedNote, SignatureInvalid, Unsigned: see `open_note`.
        MalformedCheckpoint: a signed text that is no checkpoint, or another log's.
    """
    note = open_note(message, keys)
    checkpoint = parse_checkpoint(note.text)
    wanted = {origin} if origin is not None else {each.name for each in note.signatures}
    if checkpoint.origin not in wanted:
        names = ", ".join(sorted(wanted))
        raise MalformedCheckpoint(
            f"检查点属于账本 {checkpoint.origin!a}，而非 {names}",
            f"the checkpoint is of the log {checkpoint.origin!a}, not {names}",
        )
    return checkpoint
