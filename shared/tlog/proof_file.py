"""Proofs as files, verified offline with the entry and the log's key. Source: c2sp.org/tlog-proof@v1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.tlog.base64text import from_base64, to_base64
from shared.tlog.checkpoint import Checkpoint, open_checkpoint
from shared.tlog.errors import MalformedProof, ProofInvalid
from shared.tlog.hashing import HASH_SIZE, leaf_hash
from shared.tlog.notes import MAX_NOTE_BYTES, VerifierKey
from shared.tlog.proofs import verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = 2 * MAX_NOTE_BYTES
MAX_HASHES = 64

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProofFile:
    """That an entry stands in a log, as one text.

    Attributes:
        index: the entry's, from 0.
        hashes: the inclusion proof, the leaf's sibling first.
        checkpoint: the signed checkpoint, verbatim.
        extra: the application's own bytes; NOT authenticated by anything here.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def __str__(self) -> str:
        """The file's text (extension `.tlog-proof`)."""
        lines = [HEADER, *([f"extra {to_base64(self.extra)}"] if self.extra else []), f"index {self.index}"]
        lines += map(to_base64, self.hashes)
        return "\n".join([*lines, "", self.checkpoint])


def parse_proof_file(message: bytes) -> ProofFile:
    """The parts of a proof file; nothing is verified, see `verify_proof_file`.

    Raises:
        MalformedProof: not of the form, above 512 KiB or above 64 hashes.
    """
    try:
        text = message[: MAX_PROOF_BYTES + 1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused("不是 UTF-8", "not UTF-8") from error
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if len(message) > MAX_PROOF_BYTES or not blank or not checkpoint or lines.pop(0) != HEADER:
        raise _refused(
            f"过长，或缺少首行 {HEADER}、空行或检查点",
            f"too long, or no header {HEADER}, blank line or checkpoint",
        )
    extra: bytes | None = b""
    if lines and lines[0].startswith("extra "):
        extra = from_base64(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise _refused("extra 行不是 base64", "the extra line is not base64")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None or int(index[1]) >= 1 << 64:
        raise _refused("缺少 index 行或序号无效", "no index line, or its number is not valid")
    hashes = [from_base64(line) for line in lines]
    if len(hashes) > MAX_HASHES or any(each is None or len(each) != HASH_SIZE for each in hashes):
        raise _refused(
            "散列行须为 base64 的 32 字节，至多 64 行", "hash lines are 32 bytes in base64, at most 64"
        )
    return ProofFile(int(index[1]), tuple([each for each in hashes if each]), checkpoint, extra or b"")


def verify_proof_file(proof: ProofFile, entry: bytes, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint under which the log holds exactly this entry at the proof's index.

    Raises:
        MalformedNote, MalformedCheckpoint, SignatureInvalid, Unsigned: the checkpoint is not the log's.
        ProofInvalid: the entry, the index or a hash is not what the checkpoint signed.
    """
    checkpoint = open_checkpoint(proof.checkpoint.encode(), keys)
    if not verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise ProofInvalid(
            f"记录不在账本的第 {proof.index} 位：记录、序号或散列被改动（检查点共 {checkpoint.size} 条）",
            f"the entry is not the ledger's number {proof.index}: entry, index or a hash was altered "
            f"(checkpoint of size {checkpoint.size})",
        )
    return checkpoint


def _refused(zh: str, en: str) -> MalformedProof:
    return MalformedProof(f"证明文件无效：{zh}", f"not a proof file: {en}")
