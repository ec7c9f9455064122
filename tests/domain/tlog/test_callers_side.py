"""The caller's side over HTTP and from a folder: `zeren ledger verify`, `prove`, `checkpoint`."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from shared.tlog.checkpoint import Checkpoint, sign_checkpoint
from shared.tlog.errors import (
    EntryDiffers,
    MalformedKey,
    ProofInvalid,
    ResourceMissing,
    SignatureInvalid,
    TlogError,
    Unsigned,
)
from shared.tlog.notes import MAX_NOTE_BYTES, Signer
from zeren.cli.ledger import check
from zeren.cli.ledger import verify as verify_command
from zeren.verify.errors import AnswerTooLarge, FactNotFound, LedgerRewritten, LedgerUnreachable, NoLedger
from zeren.verify.ledger import checkpoint, prove, verify, verify_growth, verify_proof

if TYPE_CHECKING:
    from tests.domain.tlog.conftest import MemoryLog

Logs = Callable[[Sequence[bytes]], "MemoryLog"]


def _facts(count: int) -> list[bytes]:
    """Facts of which each names the next one's id too, as a causation might."""
    return [
        b'{"specversion":"1.0","id":"fact-%d","causationid":"fact-%d"}' % (n, n + 1) for n in range(count)
    ]


class _LedgerRequests(SimpleHTTPRequestHandler):
    """Serves a folder; bundles gzipped, as the specification recommends; an index only if a file says so."""

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            return self.send_error(404)
        content = file.read_bytes()
        self.send_response(200)
        if "/entries/" in self.path:
            content = gzip.compress(content, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def folder(tmp_path: Path, log_of: Logs, signer: Signer) -> Path:
    """A ledger of 700 facts as files."""
    log_of(_facts(700)).write(tmp_path, signer)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    """The same ledger behind a real server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_LedgerRequests, directory=str(folder)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def vkey(signer: Signer) -> str:
    """The ledger's verifier key."""
    return str(signer.vkey)


def test_a_ledger_is_verified_over_http_and_from_a_folder(url: str, folder: Path, vkey: str) -> None:
    """Size, root and count are recomputed, and the same either way."""
    told: list[tuple[int, int]] = []
    over_http = verify(url, vkey, lambda done, total: told.append((done, total)))
    assert (over_http.size, over_http.facts, over_http.origin) == (700, 700, "audit.fj.example/ledger")
    assert verify(str(folder), vkey) == over_http
    assert told[-1] == (700, 700)
    signed = checkpoint(url, vkey)
    assert (signed.checkpoint.size, signed.checkpoint.root) == (700, over_http.root)
    assert signed.note == over_http.note == (folder / "checkpoint").read_text("utf-8")


def test_an_altered_entry_is_named_over_http(url: str, folder: Path, vkey: str) -> None:
    """The operator's server cannot pass it off."""
    file = folder / "tile/entries/001"
    file.write_bytes(file.read_bytes().replace(b'"id":"fact-300"', b'"id":"fact-3x0"'))
    with pytest.raises(EntryDiffers) as caught:
        verify(url, vkey)
    assert caught.value.index == 300
    with pytest.raises(ProofInvalid):
        prove(url, vkey, 300)
    assert prove(url, vkey, 301).index == 301


def test_a_fact_is_proven_by_its_id(url: str, folder: Path, vkey: str) -> None:
    """Not by its mention in another fact; the proof then verifies offline with entry and key alone."""
    proven = prove(url, vkey, "fact-300")
    assert (proven.index, proven.hint) == (300, "none")
    assert json.loads(proven.entry)["id"] == "fact-300"
    assert verify_proof(proven.proof, proven.entry, vkey) == proven.checkpoint
    with pytest.raises(ProofInvalid):
        verify_proof(proven.proof, proven.entry + b" ", vkey)
    assert prove(str(folder), vkey, 300).proof == proven.proof


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ('{"index": 650}', "right"),
        ('{"index": 649}', "wrong"),
        ('{"index": 700}', "wrong"),
        ('{"index": -1}', "none"),
        ('{"index": true}', "none"),
        ('{"index": "650"}', "none"),
        ("[650]", "none"),
        ("<html>", "none"),
        ("[" * 4000, "none"),
        (" " * 5000, "none"),
    ],
)
def test_the_server_s_index_is_only_a_hint(answer: str, hint: str, url: str, folder: Path, vkey: str) -> None:
    """A right one spares the search; a wrong one, or rubbish, changes nothing but is told."""
    (folder / "index").mkdir()
    (folder / "index/fact-650").write_text(answer, "utf-8")
    proven = prove(url, vkey, "fact-650")
    assert (proven.index, proven.hint) == (650, hint)


@pytest.mark.parametrize("fact", ["fact-700", "fact-9999", "", "../checkpoint", "fact 3", 700, -1])
def test_a_fact_that_is_not_there_is_not_proven(fact: str | int, url: str, vkey: str) -> None:
    """fact-700 is named as a cause, and is no entry."""
    with pytest.raises(FactNotFound):
        prove(url, vkey, fact)


def test_a_ledger_that_grew_is_proven_to_extend_what_was_kept(
    url: str, folder: Path, vkey: str, log_of: Logs, signer: Signer
) -> None:
    """From each kept checkpoint, the empty ledger's included, by a consistency proof from the tiles."""
    for size in (0, 1, 256, 300, 700):
        kept = sign_checkpoint(log_of(_facts(size)).checkpoint, [signer])
        assert verify_growth(url, vkey, kept).checkpoint.size == 700


def test_history_rewritten_or_rolled_back_is_named(url: str, vkey: str, log_of: Logs, signer: Signer) -> None:
    """Two signatures of one ledger that contradict each other."""
    facts = _facts(800)
    for kept in (log_of([b"another", *facts[1:300]]), log_of([b"another", *facts[1:700]]), log_of(facts)):
        with pytest.raises(LedgerRewritten):
            verify_growth(url, vkey, sign_checkpoint(kept.checkpoint, [signer]))


@pytest.mark.parametrize("kept", [b"\xff", b"no note", b"zeren.test/ledger\n7\n"])
def test_a_kept_checkpoint_that_is_none_is_named(kept: bytes, folder: Path, vkey: str) -> None:
    """The file is at fault, not the ledger: a wrong call."""
    file = folder / "kept"
    file.write_bytes(kept)
    with pytest.raises(click.ClickException) as refused:
        verify_command.callback(str(folder), vkey, file, None, as_json=False)
    assert refused.value.exit_code == 2
    assert refused.value.message.startswith(f"{file} 不能用作先前的检查点")


def test_a_kept_checkpoint_that_contradicts_the_ledger_is_named(
    folder: Path, vkey: str, log_of: Logs, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are evidence: the caller must know which file is one of them."""
    other = folder / "other"
    log_of(_facts(800)).write(other, signer)
    with pytest.raises(LedgerRewritten):
        verify_command.callback(str(folder), vkey, other / "checkpoint", None, as_json=False)
    assert str(other / "checkpoint") in capsys.readouterr().err


def test_of_an_altered_copy_it_is_told_how_to_judge_the_ledger_itself(
    folder: Path, vkey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are there are never fetched again: only a new folder shows what the ledger serves."""
    file = folder / "tile/entries/001"
    file.write_bytes(file.read_bytes().replace(b"fact-300", b"fact-3x0", 1))
    with pytest.raises(EntryDiffers):
        verify_command.callback(str(folder), vkey, None, None, as_json=False)
    assert "copy into a new folder" in capsys.readouterr().err


def test_a_partial_tile_may_be_gone_once_the_full_one_is_there(
    folder: Path, vkey: str, log_of: Logs, signer: Signer
) -> None:
    """A log may delete partial tiles: an older checkpoint is then checked from the full tiles."""
    log_of(_facts(768)).write(folder, signer)
    older = log_of(_facts(700)).checkpoint
    for gone in ("tile/0/002.p/188", "tile/entries/002.p/188"):
        (folder / gone).unlink()
    (folder / "checkpoint").write_text(sign_checkpoint(older, [signer]), "utf-8")
    assert verify(str(folder), vkey).size == 700
    assert prove(str(folder), vkey, 699).index == 699


def test_a_key_that_did_not_sign_is_told(url: str, folder: Path, vkey: str, signer: Signer) -> None:
    """A stranger's key, a mistyped key, an altered checkpoint."""
    stranger = Signer.from_seed(signer.vkey.name, bytes(32))
    with pytest.raises(Unsigned):
        verify(url, str(stranger.vkey))
    with pytest.raises(MalformedKey):
        verify(url, vkey[:-1])
    note = folder / "checkpoint"
    note.write_bytes(note.read_bytes().replace(b"\n700\n", b"\n699\n"))
    with pytest.raises(SignatureInvalid):
        verify(url, vkey)


def test_a_place_without_a_checkpoint_is_told_to_be_no_ledger(url: str, folder: Path, vkey: str) -> None:
    """A wrong address or folder, not a ledger that lacks something."""
    (folder / "checkpoint").unlink()
    for where in (url, str(folder)):
        with pytest.raises(NoLedger, match=re.escape(where.rstrip("/"))):
            verify(where, vkey)


def test_an_entry_and_its_proof_are_checked_offline(url: str, vkey: str, tmp_path: Path) -> None:
    """What `prove` wrote holds with the key alone; another entry does not."""
    proven = prove(url, vkey, 3)
    entry, proof = tmp_path / "3.json", tmp_path / "3.tlog-proof"
    entry.write_bytes(proven.entry)
    proof.write_text(proven.proof, "utf-8")
    arguments = [str(entry), str(proof), "--vkey", vkey]
    assert CliRunner().invoke(check, arguments).exit_code == 0
    entry.write_bytes(proven.entry + b" ")
    assert isinstance(CliRunner().invoke(check, arguments).exception, TlogError)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/0/002.p/188", "tile/entries/002.p/188"])
def test_a_file_that_is_not_served_is_named(path: str, url: str, folder: Path, vkey: str) -> None:
    """Over HTTP and from a folder."""
    (folder / path).unlink()
    for where in (url, str(folder)):
        with pytest.raises(ResourceMissing) as caught:
            verify(where, vkey)
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("path", "size"),
    [("checkpoint", MAX_NOTE_BYTES + 1), ("tile/0/001", 8193), ("tile/entries/001", 256 * 65_537 + 1)],
)
def test_an_answer_larger_than_it_can_be_is_not_read(
    path: str, size: int, url: str, folder: Path, vkey: str
) -> None:
    """Also where a few gzipped bytes unfold to it."""
    (folder / path).write_bytes(bytes(size))
    for where in (url, str(folder)):
        with pytest.raises(AnswerTooLarge, match=path):
            verify(where, vkey)


def test_a_ledger_that_does_not_answer_is_told_apart_from_a_bad_one(
    url: str, folder: Path, vkey: str
) -> None:
    """No listener, no such address form, or a folder in a file's place."""
    with pytest.raises(LedgerUnreachable):
        verify("http://127.0.0.1:1/", vkey)
    with pytest.raises(LedgerUnreachable):
        verify("http://[/", vkey)
    (folder / "checkpoint").unlink()
    (folder / "checkpoint").mkdir()
    with pytest.raises(LedgerUnreachable):
        verify(str(folder), vkey)


def test_an_empty_ledger_verifies(tmp_path: Path, vkey: str, log_of: Logs, signer: Signer) -> None:
    """Its checkpoint is all it has."""
    log_of([]).write(tmp_path, signer)
    assert verify(str(tmp_path), vkey).facts == 0


def test_every_refusal_is_one_family(url: str, vkey: str, log_of: Logs, signer: Signer) -> None:
    """A caller catches TlogError, and shows its Chinese or its English."""
    kept = sign_checkpoint(Checkpoint(signer.vkey.name, 701, bytes(32)), [signer])
    with pytest.raises(TlogError) as caught:
        verify_growth(url, vkey, kept)
    assert str(caught.value) == f"{caught.value.zh} / {caught.value.en}"
