"""Checkpoints: the known signature, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from shared.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from shared.tlog.errors import MalformedCheckpoint, SignatureInvalid, Unsigned
from shared.tlog.hashing import EMPTY_ROOT
from shared.tlog.notes import Signer, VerifierKey, sign_note

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

VKEY = "audit.fj.example/ledger+c8e394be+AZsfhHkc/HZjBFhU04netcqVRJ2HXydqg4QLBgqznPxx"
KNOWN_LINE = (
    "— audit.fj.example/ledger "
    "yOOUvmjscyavLFpAqhH4R23zETca5MMMxlNhmEFv1PozEhG0qyXZKqLs2RBojVbUE2Yzs6mm7gb5jfkMDtjf2Vi0LAg="
)
# C2SP issue 99, the corrected one.
SIGSUM = "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69"
SIGSUM_NOTE = (
    f"{SIGSUM}\n10\nHA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— {SIGSUM} "
    "gJ2ho0n8F8olcerUF1FFdv235A/5as/coWrpLrtE7ovMeP5whgwouYExowG/lTznxu6OUGjjt5yJQ6bXtTcf718MqAQ=\n"
)
SIGSUM_KEY = "66e0b858e462a609e66fe71370c816d8846ff103d5499a22a7fec37fdbc424a7"
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_the_ledger_of_seventy_thousand_entries_has_the_known_signature(
    signer: Signer, log_of: Callable[[Sequence[bytes]], MemoryLog], payments: Callable[[int], list[bytes]]
) -> None:
    """Key, text and signature as an independent implementation made them."""
    assert str(signer.vkey) == VKEY
    log = log_of(payments(70_000))
    note = sign_checkpoint(log.checkpoint, [signer])
    assert note.split("\n")[:2] == ["audit.fj.example/ledger", "70000"]
    assert note.endswith(f"\n\n{KNOWN_LINE}\n")
    assert open_checkpoint(note.encode(), [VerifierKey.parse(VKEY)]) == log.checkpoint


def test_another_project_s_checkpoint_verifies() -> None:
    """Sigsum's example, which C2SP discusses as a vector."""
    key = VerifierKey(SIGSUM, bytes.fromhex(SIGSUM_KEY))
    assert key.key_id.hex() == "809da1a3"
    head = open_checkpoint(SIGSUM_NOTE.encode(), [key])
    assert (head.origin, head.size, head.root.hex()[:8]) == (SIGSUM, 10, "1c0e4700")


def test_a_text_gives_back_its_checkpoint() -> None:
    """The specification's example, an empty log, and extension lines."""
    text = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
    assert parse_checkpoint(text).text == text
    assert parse_checkpoint(text).size == 20_852_163
    assert parse_checkpoint(Checkpoint("log.example", 0, EMPTY_ROOT).text).size == 0
    assert parse_checkpoint(text + "more\nlines\n").extensions == ("more", "lines")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.example\n",
        "log.example\n7\n",
        f"log.example\n7\n{ROOT}",
        f"\n7\n{ROOT}\n",
        f"log.example\n07\n{ROOT}\n",
        f"log.example\n+7\n{ROOT}\n",
        f"log.example\n-7\n{ROOT}\n",
        f"log.example\n 7\n{ROOT}\n",
        f"log.example\n7.0\n{ROOT}\n",
        f"log.example\n\u0667\n{ROOT}\n",
        f"log.example\n9223372036854775808\n{ROOT}\n",
        f"log.example\n0\n{ROOT}\n",
        f"log.example\n7\n{ROOT[:-1]}\n",
        f"log.example\n7\n{ROOT[:-2]}J=\n",
        "log.example\n7\nAAAA\n",
        f"log.example\n7\n{ROOT}\n\n",
        f"log.example\n7\n{ROOT}\n\nmore\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    """One spelling for each value: no leading zeros, signs, other digits or stray base64 bits."""
    with pytest.raises(MalformedCheckpoint):
        parse_checkpoint(text)


def test_a_checkpoint_must_be_of_the_log_that_was_asked(signer: Signer) -> None:
    """A trusted key's signature over another log's head is not this log's word."""
    foreign = Checkpoint("other.example/log", 0, EMPTY_ROOT)
    note = sign_checkpoint(foreign, [signer]).encode()
    with pytest.raises(MalformedCheckpoint, match=r"other\.example/log"):
        open_checkpoint(note, [signer.vkey])
    assert open_checkpoint(note, [signer.vkey], origin="other.example/log") == foreign


def test_a_signed_text_that_is_no_checkpoint_is_refused(signer: Signer) -> None:
    """A signature does not make a head of any text."""
    with pytest.raises(MalformedCheckpoint):
        open_checkpoint(sign_note("hello\n", [signer]).encode(), [signer.vkey])


def test_a_checkpoint_altered_or_of_an_unknown_key_is_refused(signer: Signer) -> None:
    """Size, root or key: nothing can be exchanged."""
    note = sign_checkpoint(Checkpoint(signer.vkey.name, 7, bytes(32)), [signer])
    with pytest.raises(SignatureInvalid):
        open_checkpoint(note.replace("\n7\n", "\n8\n").encode(), [signer.vkey])
    with pytest.raises(Unsigned):
        open_checkpoint(note.encode(), [Signer.from_seed(signer.vkey.name, bytes(32)).vkey])
