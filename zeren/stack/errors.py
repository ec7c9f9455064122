"""What can go wrong while the local stack starts or stops.

StackError
├── DownloadFailed      the network or a digest
├── PortTaken           a configured port belongs to somebody else
├── StateBusy           another command works on the same state folder
├── StateBroken         the state folder lost something that can't be made again
├── ProcessFailed       a process ended early or never became ready
└── ProvisioningFailed  a server refused a topic, user, right, role or database

Every message is Chinese first, then English, and says what to do.
"""

from __future__ import annotations


class StackError(Exception):
    """The local stack can't do what was asked; the message says why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en


class DownloadFailed(StackError):
    """A file couldn't be fetched, or isn't the one that the list names."""


class PortTaken(StackError):
    """A port that the user configured is in use by another program."""


class StateBusy(StackError):
    """Another zeren command holds the state folder's lock."""


class StateBroken(StackError):
    """The state folder lacks a secret that its servers' data depends on; only a reset helps."""


class ProcessFailed(StackError):
    """A process ended before it was ready, or wasn't ready by its deadline."""


class ProvisioningFailed(StackError):
    """A server refused what the committed data asks of it."""
