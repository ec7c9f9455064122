"""One process of a full check: `python -m zeren.verify.check_worker FOLDER NUMBER COUNT`, asked by `parallel`.

Standard input is the proven hash of each full level-0 tile. Of the runs of bundles (shared.tlog.bundle_check) it
checks the NUMBER-th and each COUNT-th after it, and answers each with a line. What is wrong it does not say: whoever
asked checks the run again and names it.
"""

from __future__ import annotations

import signal
import sys
from itertools import islice
from pathlib import Path

from shared.tlog.bundle_check import check_run, runs_of
from shared.tlog.errors import TlogError
from zeren.verify.files import FolderSource, SourceReader


def answer(first: int, *, holds: bool) -> bytes:
    """The line about the run that begins with this bundle."""
    return b"%s %d\n" % (b"holds" if holds else b"doubted", first)


def main(folder: str, number: int, count: int) -> None:
    """Answers run by run; ends with the last one, or when nobody reads the answers any more."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    reader = SourceReader(FolderSource(Path(folder)))
    for first, hashes in islice(runs_of(sys.stdin.buffer.read()), number, None, count):
        sys.stdout.buffer.write(answer(first, holds=_holds(reader, first, hashes)))
        sys.stdout.buffer.flush()


def _holds(reader: SourceReader, first: int, hashes: bytes) -> bool:
    try:
        check_run(reader, first, hashes)
    except TlogError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
