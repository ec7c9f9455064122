"""The log as it is served: a caller who trusts nobody checks it whole, and finds what was altered."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select, update

from services.audit.ledger import tables
from services.audit.ledger.append import open_ledger
from shared.tlog.errors import EntryDiffers
from shared.tlog.notes import Signer
from shared.tlog.tiles import decode_bundle
from tests.component.audit.conftest import publish
from tests.component.audit.serving import audit_app, serving
from tests.component.audit.story import Kafka, Record, batches, fact_like, junk, partition
from zeren.verify import ledger
from zeren.verify.copying import copy_ledger
from zeren.verify.errors import FactNotFound, LedgerUnreachable
from zeren.verify.sources import HttpSource

Ledgered = Callable[[Iterable[Sequence[Record]]], None]


@pytest.fixture
def url(engine: Engine, signer: Signer) -> Iterator[str]:
    """The log's prefix."""
    open_ledger(engine, signer)
    publish(engine)
    with serving(audit_app(engine, str(signer.vkey))) as base:
        yield f"{base}/log"


def test_the_served_log_verifies_whole(url: str, ledgered: Ledgered) -> None:
    """Checkpoint, tiles and entries agree; the verifier key is the one that is served."""
    ledgered(batches(junk(1_300, 11), 11, 200))
    vkey = httpx.get(f"{url}/vkey", trust_env=False).text
    told: list[tuple[int, int]] = []
    verified = ledger.verify(url, vkey, lambda done, all_: told.append((done, all_)))
    assert (verified.size, verified.facts, verified.origin) == (1_300, 1_300, "zeren.test.example/ledger")
    assert told[-1] == (1_300, 1_300)


def test_a_copy_verifies_without_the_server_and_grows_with_the_log(
    url: str, ledgered: Ledgered, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more it fetches what is new alone; one that was broken off is still the older copy."""
    vkey, kafka = str(signer.vkey), junk(1_300, 17)
    cut = batches(kafka, 17, 200)
    ledgered(cut[: len(cut) // 2])
    assert copy_ledger(url, tmp_path, vkey).checkpoint.size > 256
    first = ledger.verify(str(tmp_path), vkey).size
    ledgered(cut[len(cut) // 2 :])
    fetched: list[str] = []
    fetch = HttpSource.fetch

    def counted(self: HttpSource, path: str, limit: int) -> bytes | None:
        fetched.append(path)
        if path.startswith("tile/entries/") and len(fetched) < 8:
            raise LedgerUnreachable(path, "away")
        return fetch(self, path, limit)

    monkeypatch.setattr(HttpSource, "fetch", counted)
    with pytest.raises(LedgerUnreachable):
        copy_ledger(url, tmp_path, vkey)
    assert ledger.verify(str(tmp_path), vkey).size == first
    fetched.extend([""] * 8)
    told: list[tuple[int, int]] = []
    assert (
        copy_ledger(url, tmp_path, vkey, lambda done, all_: told.append((done, all_))).checkpoint.size
        == 1_300
    )
    assert told[-1][0] == told[-1][1]
    assert "tile/entries/000" not in fetched
    assert ledger.verify(str(tmp_path), vkey).size == 1_300
    assert not list(tmp_path.rglob("*.part"))


def test_an_empty_log_verifies(url: str, signer: Signer) -> None:
    """It has a signed checkpoint of size 0 from the first start on."""
    assert ledger.verify(url, str(signer.vkey)).size == 0


def test_a_fact_is_proven_by_its_id(url: str, ledgered: Ledgered, signer: Signer) -> None:
    """The server's hint is right, and the proof verifies offline against the entry's bytes."""
    kafka = junk(700, 12)
    ledgered(batches(kafka, 12, 99))
    wanted = fact_like(41, 900), fact_like(41, 400)
    fact_id = wanted[0].split(b'"id":"')[1][:36].decode()
    proven = ledger.prove(url, str(signer.vkey), fact_id)
    assert proven.hint == "right"
    assert proven.entry in wanted
    assert ledger.verify_proof(proven.proof, proven.entry, str(signer.vkey)).size == 700
    with pytest.raises(FactNotFound):
        ledger.prove(url, str(signer.vkey), "5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a1b99")


def test_growth_is_proven_from_every_checkpoint(
    url: str, ledgered: Ledgered, signer: Signer, engine: Engine
) -> None:
    """Every size that was ever signed is a beginning of the log."""
    ledgered(batches(junk(900, 13), 13, 150))
    with engine.connect() as connection:
        notes = connection.scalars(select(tables.checkpoints.c.note)).all()
    assert len(notes) > 10
    for note in notes:
        assert ledger.verify_growth(url, str(signer.vkey), note).checkpoint.size == 900


def test_an_entry_altered_in_the_database_is_named(
    url: str, ledgered: Ledgered, signer: Signer, engine: Engine
) -> None:
    """Whoever holds the database can change a row, not what was signed."""
    ledgered(batches(junk(600, 14), 14, 100))
    forged = update(tables.entries).where(tables.entries.c.index == 317).values(entry=b"forged")
    with engine.begin() as connection:
        connection.execute(forged)
    with pytest.raises(EntryDiffers) as differs:
        ledger.verify(url, str(signer.vkey))
    assert differs.value.index == 317


def test_files_are_cached_for_ever_and_the_checkpoint_is_not(url: str, ledgered: Ledgered) -> None:
    """Types, caching and compression as c2sp.org/tlog-tiles says."""
    ledgered(batches(junk(300, 15), 15, 100))
    with httpx.Client(trust_env=False) as client:
        tile = client.get(f"{url}/tile/0/000")
        assert (len(tile.content), tile.headers["content-type"]) == (8_192, "application/octet-stream")
        assert "immutable" in tile.headers["cache-control"]
        checkpoint = client.get(f"{url}/checkpoint")
        assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint.headers["cache-control"] == "public, max-age=1"
        packed = client.get(f"{url}/tile/entries/000")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept-Encoding"
        with client.stream("GET", f"{url}/tile/entries/001.p/44", headers={"Accept-Encoding": "gzip"}) as raw:
            assert len(decode_bundle(gzip.decompress(b"".join(raw.iter_raw())))) == 44
        for offered in ("identity", "gzip;q=0", "br"):
            plain = client.get(f"{url}/tile/entries/000", headers={"Accept-Encoding": offered})
            assert "content-encoding" not in plain.headers
            assert plain.content == packed.content


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/0/001.p/45",
        "tile/entries/001.p/45",
        "tile/entries/002",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/64/000",
        "tile/00/000",
        "tile/entries/..%2f000",
        "tile/x/000",
        "tile/63/x999/x999/x999/x999/x999/x999/999",
        "index/5f1c7a52-6a0e-4d0e-8f6f-0c9e6f3a1b99",
    ],
)
def test_what_the_log_does_not_have_is_not_there(url: str, ledgered: Ledgered, path: str) -> None:
    """404, and no cache keeps that answer: it may come."""
    ledgered(batches(junk(300, 16), 16, 100))
    answer = httpx.get(f"{url}/{path}", trust_env=False)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_a_fact_ledgered_twice_is_found_at_its_first_index(url: str, ledgered: Ledgered) -> None:
    """Two sources may claim one id; both are leaves, the first is the fact's."""
    kafka = Kafka()
    for service in ("payment", "enrolment"):
        kafka.send(service, 0, fact_like(5))
    for record in kafka.records:
        ledgered([[record]])
    fact_id = fact_like(5).split(b'"id":"')[1][:36].decode()
    assert httpx.get(f"{url}/index/{fact_id}", trust_env=False).json() == {"index": 0}
    assert partition(kafka.records[0]).topic == "zeren.payment.facts.v1"
