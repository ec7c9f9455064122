"""Fetching Kafka's jars from a repository on this machine, and what happens when it goes wrong."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zeren.stack.downloads import Jar, differing_jars, fetch_jars, find_java, jar_folder, read_jar_list
from zeren.stack.errors import DownloadFailed

CONTENTS = {"alpha": b"the bytes of alpha", "beta": b"the bytes of beta"}


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a line for each request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def jars(tmp_path, monkeypatch):
    """Two jars in a Maven repository served here, and an empty cache."""
    for name, content in CONTENTS.items():
        folder = tmp_path / "repository" / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True)
        (folder / f"{name}-1.0.jar").write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "repository"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("ZEREN_MAVEN", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("ZEREN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield tuple(
        Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    )
    server.shutdown()
    thread.join()
    server.server_close()


def test_jars_are_fetched_once_and_in_order(jars, monkeypatch):
    """The class path follows the list; a second call needs no network."""
    seen = []
    paths = fetch_jars(jars, lambda done, total, name: seen.append((done, total, name)))
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert [entry[:2] for entry in seen] == [(1, 2), (2, 2)]
    monkeypatch.setenv("ZEREN_MAVEN", "http://127.0.0.1:9")
    assert fetch_jars(jars, lambda *_: seen.append(_)) == paths
    assert len(seen) == 2
    assert {path.name for path in jar_folder(jars).iterdir()} == {path.name for path in paths}


def test_of_two_at_once_one_downloads_and_the_other_waits(jars):
    """Two checkouts or test processes that share a cache: each jar comes once, and both have it."""
    seen = []
    together = threading.Barrier(2)

    def fetch():
        together.wait(30)
        return fetch_jars(jars, lambda *each: seen.append(each))

    with ThreadPoolExecutor(2) as pool:
        first, second = [task.result() for task in [pool.submit(fetch) for _ in range(2)]]
    assert first == second
    assert [entry[:2] for entry in seen] == [(1, 2), (2, 2)]


def test_a_jar_with_other_bytes_is_refused_and_not_kept(jars):
    """The message names both digests; what was right is kept."""
    forged = (jars[0], Jar("org.example", "beta", "1.0", "0" * 64))
    with pytest.raises(DownloadFailed, match="0" * 64):
        fetch_jars(forged, lambda *_: None)
    assert [path.name for path in jar_folder(forged).iterdir() if path.name.startswith("beta")] == []


def test_a_damaged_jar_in_the_cache_is_fetched_again(jars):
    """A cache is trusted by digest only."""
    paths = fetch_jars(jars, lambda *_: None)
    paths[1].write_bytes(b"damaged")
    assert differing_jars(jars) == (jars[1],)
    assert fetch_jars(jars, lambda *_: None)[1].read_bytes() == CONTENTS["beta"]


@pytest.mark.parametrize("repository", ["http://127.0.0.1:9", "missing"])
def test_no_network_or_no_such_jar_is_a_clear_error(jars, monkeypatch, repository):
    """It names the jar and what to check, and leaves no part of a file."""
    wanted = jars
    if repository == "missing":
        wanted = (Jar("org.example", "gamma", "1.0", "0" * 64),)
    else:
        monkeypatch.setenv("ZEREN_MAVEN", repository)
    with pytest.raises(DownloadFailed, match=f"{wanted[0].artifact}|{wanted[-1].artifact}"):
        fetch_jars(wanted, lambda *_: None)
    assert list(jar_folder(wanted).iterdir()) == []


def test_the_committed_list_is_whole():
    """46 jars with a digest each, no name twice."""
    jars = read_jar_list()
    assert len({jar.file_name for jar in jars}) == len(jars) == 46
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)


def test_a_configured_java_that_cannot_run_is_named(tmp_path, monkeypatch):
    """The wheel's Java is the default; a wrong override is an error, never ignored."""
    assert find_java().name == "java"
    monkeypatch.setenv("ZEREN_JAVA", str(tmp_path / "java"))
    with pytest.raises(DownloadFailed, match="ZEREN_JAVA"):
        find_java()
