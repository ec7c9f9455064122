"""Signed notes and verifier keys, Ed25519 only. Source: c2sp.org/signed-note v1.0.0.

A verifier meets keys of other algorithms as signatures of unknown keys, and ignores them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.tlog.base64text import from_base64, to_base64
from shared.tlog.errors import MalformedKey, MalformedNote, SignatureInvalid, Unsigned

ED25519 = 0x01
MAX_NOTE_BYTES = 262_144  # room for 16 and more post-quantum signatures of up to 5 kB
MAX_SIGNATURES = 100

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_SIGNATURE_LINE = re.compile("— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")


def is_key_name(name: str) -> bool:
    """Whether a note key may have this name: not empty, no Unicode space, no plus, no control character."""
    return bool(name) and "+" not in name and not _CONTROL.search(name) and not any(map(str.isspace, name))


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """The 4 bytes by which a signature line names its key, together with the key's name."""
    return sha256(name.encode() + b"\n" + bytes([signature_type]) + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 key that a verifier trusts under a name.

    Attributes:
        public_key: 32 bytes, RFC 8032.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.public_key) != 32:
            raise MalformedKey(
                "密钥名称或公钥长度不合规范", "the key's name or the public key's length is not valid"
            )

    @property
    def key_id(self) -> bytes:
        """4 bytes."""
        return key_id(self.name, ED25519, self.public_key)

    def __str__(self) -> str:
        """The vkey: name+id+base64, which auditors copy."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([ED25519]) + self.public_key)}"

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """The key of a vkey text.

        Raises:
            MalformedKey: not of the form, the id is not the key's, or not Ed25519.
        """
        name, _, rest = vkey.partition("+")
        given_id, _, encoded = rest.partition("+")
        typed_key = from_base64(encoded)
        if not _KEY_ID.fullmatch(given_id) or not typed_key:
            raise MalformedKey(
                "验证密钥须为 名称+8位十六进制+base64", "a verifier key reads name+8 hex digits+base64"
            )
        if typed_key[0] != ED25519:
            raise MalformedKey(
                f"验证密钥的算法 0x{typed_key[0]:02x} 不受支持，须为 Ed25519（0x01）",
                f"the verifier key's algorithm 0x{typed_key[0]:02x} is not supported, only Ed25519 (0x01)",
            )
        key = cls(name, typed_key[1:])
        if key.key_id.hex() != given_id:
            raise MalformedKey(
                "验证密钥的编号与名称、公钥不符", "the verifier key's id is not that of its name and key"
            )
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether the signature is this key's over the note text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key under its note name."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self.vkey = VerifierKey(name, private_key.public_key().public_bytes_raw())
        self._private_key = private_key

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> Signer:
        """The signer of a 32-byte Ed25519 seed (RFC 8032 §5.1.5)."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, text: str) -> Signature:
        """This key's signature over a note text."""
        return Signature(self.vkey.name, self.vkey.key_id, self._private_key.sign(text.encode()))


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims to have signed, and what.

    Attributes:
        key_id: 4 bytes.
        signature: what follows the id; its form depends on the key's algorithm.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line, without its newline."""
        return f"— {self.name} {to_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed: nothing in it is verified.

    Attributes:
        text: with its final newline.
    """

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        """The note's own form."""
        return self.text + "\n" + "".join([f"{each}\n" for each in self.signatures])


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The signed note over a text that ends with a newline.

    Raises:
        MalformedNote: a text that no verifier would take, or no signer.
    """
    note = str(Note(text, tuple([signer.sign(text) for signer in signers])))
    if parse_note(note.encode()).text != text:
        raise MalformedNote("待签内容不是可签名的文本", "the text to sign is not a note's text")
    return note


def parse_note(message: bytes) -> Note:
    """The parts of a note, nothing verified; `open_note` is what to trust.

    Raises:
        MalformedNote: not of the form, above 256 KiB or above 100 signatures.
    """
    if len(message) > MAX_NOTE_BYTES:
        raise MalformedNote(
            f"签名文本超过 {MAX_NOTE_BYTES} 字节", f"the note is above {MAX_NOTE_BYTES} bytes"
        )
    try:
        decoded = message.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedNote("签名文本不是 UTF-8", "the note is not UTF-8") from error
    if _CONTROL.search(decoded):
        raise MalformedNote("签名文本含控制字符", "the note has a control character")
    head, blank, tail = decoded.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise MalformedNote(
            "签名文本缺少空行或签名行", "the note lacks its blank line or a whole signature line"
        )
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNote(f"签名超过 {MAX_SIGNATURES} 个", f"more than {MAX_SIGNATURES} signatures")
    return Note(head + "\n", tuple([_parse_signature(line) for line in lines]))


def open_note(message: bytes, keys: Iterable[VerifierKey]) -> Note:
    """The note with the signatures that trusted keys made, all of them verified; others are left out.

    Raises:
        MalformedNote: see `parse_note`.
        SignatureInvalid: a line names a trusted key and is not its signature.
        Unsigned: no line is a trusted key's.
    """
    note = parse_note(message)
    trusted = {(key.name, key.key_id): key for key in keys}
    verified = []
    for each in note.signatures:
        key = trusted.get((each.name, each.key_id))
        if key is None:
            continue
        if not key.verifies(note.text, each.signature):
            named = f"{key.name}+{key.key_id.hex()}"
            raise SignatureInvalid(
                f"密钥 {named} 的签名与文本不符：文本被改动或签名被替换",
                f"the signature of key {named} does not fit: text or signature was altered",
            )
        verified.append(each)
    if not verified:
        names = ", ".join(sorted({f"{name}+{given.hex()}" for name, given in trusted}))
        raise Unsigned(f"没有受信密钥（{names}）的签名", f"not signed by a trusted key ({names})")
    return Note(note.text, tuple(verified))


def _parse_signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    payload = from_base64(match[2]) if match else None
    if not match or not is_key_name(match[1]) or not payload or len(payload) < 5:
        shown = ascii(line[:60])
        raise MalformedNote(f"不是签名行：{shown}", f"not a signature line: {shown}")
    return Signature(match[1], payload[:4], payload[4:])
