"""tlog-proof files: the form of transparency-dev/formats, and verification offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from shared.tlog.base64text import to_base64
from shared.tlog.checkpoint import sign_checkpoint
from shared.tlog.errors import MalformedProof, ProofInvalid, SignatureInvalid
from shared.tlog.notes import Signer
from shared.tlog.proof_file import ProofFile, parse_proof_file, verify_proof_file
from shared.tlog.proofs import TileCache, TileHashes, inclusion_proof

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

ONE, TWO = sha256(b"hash1").digest(), sha256(b"hash2").digest()
HEAD = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (
            ProofFile(5, (ONE, TWO), "test checkpoint\n"),
            f"{HEAD}index 5\n{to_base64(ONE)}\n{to_base64(TWO)}\n\ntest checkpoint\n",
        ),
        (
            ProofFile(10, (ONE,), "checkpoint data\n", b"extra information"),
            f"{HEAD}extra {to_base64(b'extra information')}\nindex 10\n{to_base64(ONE)}\n\ncheckpoint data\n",
        ),
        (ProofFile(0, (), "checkpoint\n"), f"{HEAD}index 0\n\ncheckpoint\n"),
    ],
)
def test_a_proof_file_has_the_known_form(proof: ProofFile, text: str) -> None:
    """transparency-dev/formats writes the same bytes."""
    assert str(proof) == text
    assert parse_proof_file(text.encode()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        "wrong-header\nindex 0\n\ncheckpoint\n",
        f"{HEAD}extra !!notbase64!!\nindex 0\n\ncheckpoint\n",
        f"{HEAD}extra \nindex 0\n\ncheckpoint\n",
        f"{HEAD}\n\ncheckpoint\n",
        f"{HEAD}index notanumber\n\ncheckpoint\n",
        f"{HEAD}index -5\n\ncheckpoint\n",
        f"{HEAD}index 05\n\ncheckpoint\n",
        f"{HEAD}index 18446744073709551616\n\ncheckpoint\n",
        f"{HEAD}index 0\nextra AAAA\n\ncheckpoint\n",
        f"{HEAD}index 0\n!!notbase64!!\n\ncheckpoint\n",
        f"{HEAD}index 0\n{to_base64(bytes(64))}\n\ncheckpoint\n",
        f"{HEAD}index 0\n{'a' * 65 * 1024}\n",
        f"{HEAD}index 0\n" + f"{to_base64(ONE)}\n" * 65 + "\ncheckpoint\n",
        f"{HEAD}index 0\n\n",
        f"{HEAD}index 0\n\n" + "x" * 600_000,
    ],
)
def test_what_is_not_a_proof_file_is_refused(text: str) -> None:
    """transparency-dev's error list, and the limits."""
    with pytest.raises(MalformedProof):
        parse_proof_file(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    """A proof file is UTF-8."""
    with pytest.raises(MalformedProof):
        parse_proof_file(HEAD.encode() + b"index 0\n\n\xff\n")


def test_a_proof_verifies_offline_for_its_own_entry_alone(
    signer: Signer, log_of: Callable[[Sequence[bytes]], MemoryLog], payments: Callable[[int], list[bytes]]
) -> None:
    """Another entry, index, hash or checkpoint is refused; the unauthenticated extra line is not."""
    entries = payments(600)
    log = log_of(entries)
    hashes = tuple(inclusion_proof(TileHashes(TileCache(log), 600), 300, 600))
    proof = ProofFile(300, hashes, sign_checkpoint(log.checkpoint, [signer]))
    reread = parse_proof_file(str(proof).encode())
    assert verify_proof_file(reread, entries[300], [signer.vkey]) == log.checkpoint
    assert verify_proof_file(replace(proof, extra=b"x"), entries[300], [signer.vkey]) == log.checkpoint
    with pytest.raises(ProofInvalid, match="300"):
        verify_proof_file(proof, entries[301], [signer.vkey])
    for wrong in (replace(proof, index=301), replace(proof, index=600), replace(proof, hashes=hashes[::-1])):
        with pytest.raises(ProofInvalid):
            verify_proof_file(wrong, entries[300], [signer.vkey])
    forged = replace(proof, checkpoint=proof.checkpoint.replace("\n600\n", "\n601\n"))
    with pytest.raises(SignatureInvalid):
        verify_proof_file(forged, entries[300], [signer.vkey])
