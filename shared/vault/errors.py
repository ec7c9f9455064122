"""What can go wrong with the vault. No message holds a value: neither a personal one nor a key.

VaultError
├── VaultUnavailable   the database can't be reached or gave the transaction up; do it again
├── VaultForbidden     this role has no grant for it; never done again
├── VaultFault         the database refused for another reason: a fault of ours
├── KeyFileUnusable    the master-key file is missing, open to others, or malformed
├── UnknownMasterKey   something is wrapped under a master key that we don't have
├── PersonUnreadable   there is no data key: the person is unknown or erased
└── SealError
    ├── KeyGone        sealed under a key that is no more: erased
    └── SealBroken     altered, or moved to another person or field
"""

from __future__ import annotations


class VaultError(Exception):
    """Any fault of the vault."""


class VaultUnavailable(VaultError):
    """The database can't be reached or gave the transaction up; the same call may be made again."""


class VaultForbidden(VaultError):
    """The role that we connect as has no grant for this."""


class VaultFault(VaultError):
    """The database refused for a reason that another attempt won't change."""


class KeyFileUnusable(VaultError):
    """The master-key file can't be used; the message says why and what to do."""


class UnknownMasterKey(VaultError):
    """A key is wrapped under a master key that isn't in the key file.

    Attributes:
        key_id: the master key's id.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"保险库主密钥 {key_id} 不在密钥文件中，请恢复该密钥 / "
            f"master key {key_id} isn't in the key file; restore it"
        )
        self.key_id = key_id


class PersonUnreadable(VaultError):
    """The person has no data key: unknown, or erased."""

    def __init__(self) -> None:
        super().__init__("此人无数据密钥（未登记或已删除） / the person is unknown or erased")


class SealError(VaultError):
    """A sealed value can't be opened."""


class KeyGone(SealError):
    """It was sealed under a key that has been deleted since: erased for good."""

    def __init__(self) -> None:
        super().__init__("数据密钥已删除 / sealed under a deleted key")


class SealBroken(SealError):
    """It was altered, or belongs to another person or field."""

    def __init__(self) -> None:
        super().__init__("密文被改动或错位 / the sealed value was altered or moved")
