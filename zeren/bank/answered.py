"""What the bank has answered, so that nothing is answered twice in two ways, whatever crashed in between.

An answer is written here, signed, before it is sent, and marked once the broker has it. A restart sends an
unmarked answer again: the same bytes, which payment takes only once. Holds claim ids and amounts, no account.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from zeren.bank.answers import Answer


class _Kept(msgspec.Struct, frozen=True):
    batch_id: str
    value: bytes
    jws: bytes


_answers = msgspec.json.Decoder(list[_Kept])


class Answered:
    """The folder of answers; one process owns it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @staticmethod
    def name_of(content: bytes) -> str:
        """The name of a bank file's answer: the digest of its bytes."""
        return hashlib.sha256(content).hexdigest()

    def knows(self, name: str) -> bool:
        """Whether that file has been answered, sent or not."""
        return self._sent(name).exists() or self._waiting(name).exists()

    def keep(self, name: str, answers: Sequence[Answer]) -> None:
        """Writes an answer whole, before it is sent."""
        rows = [_Kept(one.batch_id, one.value, one.jws) for one in answers]
        draft = self._folder / f".{name}"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(rows))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._waiting(name))

    def unsent(self) -> list[tuple[str, list[Answer]]]:
        """What was written and not marked as sent."""
        return [
            (
                path.stem,
                [Answer(one.batch_id, one.value, one.jws) for one in _answers.decode(path.read_bytes())],
            )
            for path in sorted(self._folder.glob("*.waiting"))
        ]

    def mark_sent(self, name: str) -> None:
        """The broker has the answer."""
        self._waiting(name).replace(self._sent(name))

    def _waiting(self, name: str) -> Path:
        return self._folder / f"{name}.waiting"

    def _sent(self, name: str) -> Path:
        return self._folder / f"{name}.sent"
