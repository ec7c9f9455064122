"""Why a log, a note or a proof is refused.

    TlogError
    ├── Malformed                 the bytes are not of the format
    │   ├── MalformedPath         a tile's or an entry bundle's path
    │   ├── MalformedBundle       an entry bundle
    │   ├── MalformedKey          a verifier key (vkey)
    │   ├── MalformedNote         a signed note
    │   ├── MalformedCheckpoint   a note that is no checkpoint
    │   └── MalformedProof        a tlog-proof file
    ├── Unsigned                  no trusted key signed the note
    │   └── SignatureInvalid      a trusted key's signature does not fit the note
    ├── ProofInvalid              the hashes do not lead to the root
    ├── ResourceMissing           the log does not serve a tile or bundle that its size implies
    └── LogDiffers                what the log serves is not what its checkpoint signed
        ├── EntryDiffers          the first entry that differs
        ├── TileDiffers           the first tile that differs
        └── RootDiffers           entries and tiles agree with each other, not with the checkpoint

Messages are Chinese, then English, on one line.
"""

from __future__ import annotations


class TlogError(Exception):
    """A refusal, with its reason in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en


class Malformed(TlogError):
    """The bytes are not of the format; nothing in them may be used."""


class MalformedPath(Malformed):
    """Not the one path by which a tile or bundle is named."""


class MalformedBundle(Malformed):
    """An entry bundle that does not divide into entries."""


class MalformedKey(Malformed):
    """A verifier key whose name, id and key do not fit each other, or of an unknown algorithm."""


class MalformedNote(Malformed):
    """Not a signed note, or one above the limits."""


class MalformedCheckpoint(Malformed):
    """A note text that is no checkpoint."""


class MalformedProof(Malformed):
    """Not a tlog-proof file."""


class Unsigned(TlogError):
    """No key that the caller trusts has signed the note: its text must be ignored."""


class SignatureInvalid(Unsigned):
    """A line claims a trusted key and its signature is wrong: the whole note is refused."""


class ProofInvalid(TlogError):
    """A proof's hashes do not lead from the leaf, or the older root, to the root."""


class ResourceMissing(TlogError):
    """The log does not serve a resource that its signed size implies.

    Attributes:
        path: the resource, relative to the log's prefix.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"账本缺少 {path}：已签名的检查点要求它存在，请向账本运营方索取",
            f"the ledger does not serve {path}, which its signed checkpoint implies: ask its operator for it",
        )
        self.path = path


class LogDiffers(TlogError):
    """What the log serves is not what its checkpoint signed: evidence of alteration, keep a copy."""


class EntryDiffers(LogDiffers):
    """An entry is not the one that was logged.

    Attributes:
        index: the first entry, from 0, that was altered, moved, taken out or put in.
    """

    def __init__(self, index: int, path: str, reason: tuple[str, str]) -> None:
        zh, en = reason
        super().__init__(
            f"第 {index} 条记录（从 0 起，{path}）与账本树不符：{zh}",
            f"entry {index} (from 0, {path}) is not what the tree holds: {en}",
        )
        self.index = index


class TileDiffers(LogDiffers):
    """A tile is not the one that the checkpoint's root was made from.

    Attributes:
        path: the tile, relative to the log's prefix.
    """

    def __init__(self, path: str, reason: tuple[str, str]) -> None:
        zh, en = reason
        super().__init__(f"散列块 {path} 不符：{zh}", f"tile {path} differs: {en}")
        self.path = path


class RootDiffers(LogDiffers):
    """The recomputed root is not the signed one.

    Attributes:
        computed: the root of the tiles that the log serves.
        signed: the root in the checkpoint.
    """

    def __init__(self, size: int, computed: bytes, signed: bytes) -> None:
        super().__init__(
            f"{size} 条记录重算的根为 {computed.hex()}，检查点签名的根为 {signed.hex()}："
            "记录与散列块彼此一致，但不是签名时的账本",
            f"the root recomputed over {size} entries is {computed.hex()}, "
            f"the checkpoint signed {signed.hex()}: "
            "entries and tiles agree with each other but are not the ledger that was signed",
        )
        self.computed = computed
        self.signed = signed
