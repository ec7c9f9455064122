"""Signed notes and verifier keys, against C2SP's and golang/mod's examples."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.tlog.base64text import from_base64, to_base64
from shared.tlog.errors import MalformedKey, MalformedNote, SignatureInvalid, Unsigned
from shared.tlog.notes import (
    Note,
    Signature,
    Signer,
    VerifierKey,
    is_key_name,
    key_id,
    open_note,
    parse_note,
    sign_note,
)

SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# golang.org/x/mod, sumdb/note/note_test.go.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
PETER_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"

peter, enoch = VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)


def _note(*lines: str, text: str = TEXT) -> bytes:
    return (text + "\n" + "".join(lines)).encode()


def test_the_specification_s_example_verifies() -> None:
    """The vkey and the note of c2sp.org/signed-note."""
    key = VerifierKey.parse(SPEC_VKEY)
    assert (key.name, key.key_id.hex()) == ("example.com/foo", "530d903a")
    assert str(key) == SPEC_VKEY
    assert open_note(SPEC_NOTE.encode(), [key]).text == "This is an example message.\n"


def test_signing_gives_golang_s_bytes() -> None:
    """Ed25519 is deterministic: the known seed gives the known line."""
    seed = from_base64(PETER_SEED)
    assert seed is not None
    signer = Signer.from_seed("PeterNeumann", seed[1:])
    assert str(signer.vkey) == PETER
    assert sign_note(TEXT, [signer]).encode() == _note(PETER_LINE)


def test_only_trusted_keys_signatures_are_returned() -> None:
    """A signature of an unknown key is neither counted nor an obstacle."""
    message = _note(PETER_LINE, ENOCH_LINE)
    assert [each.name for each in open_note(message, [peter]).signatures] == ["PeterNeumann"]
    assert [each.name for each in open_note(message, [peter, enoch]).signatures] == [
        "PeterNeumann",
        "EnochRoot",
    ]
    with pytest.raises(Unsigned):
        open_note(message, [])
    with pytest.raises(Unsigned, match="PeterNeumann"):
        open_note(_note(ENOCH_LINE), [peter])


def test_name_or_id_alone_does_not_make_a_key_known() -> None:
    """c2sp.org/signed-note: such a line is of an unknown key, and ignored."""
    renamed = PETER_LINE.replace("PeterNeumann", "CarmenSandiego")
    other_id = PETER_LINE.replace("x08g", "xxxx")
    assert (
        open_note(_note(renamed, other_id, PETER_LINE), [peter]).signatures
        == parse_note(_note(PETER_LINE)).signatures
    )
    with pytest.raises(Unsigned):
        open_note(_note(renamed, other_id), [peter])


def test_a_wrong_signature_of_a_trusted_key_refuses_the_whole_note() -> None:
    """Also where another trusted key's signature is right, and in whatever order."""
    bad_line = PETER_LINE[:60] + "ABCD" + PETER_LINE[60:]
    for message in (_note(bad_line), _note(bad_line, ENOCH_LINE), _note(ENOCH_LINE, PETER_LINE, bad_line)):
        with pytest.raises(SignatureInvalid, match="c74f20a3"):
            open_note(message, [peter, enoch])
    with pytest.raises(SignatureInvalid):
        open_note(_note(PETER_LINE, text=TEXT.replace("answer", "Answer")), [peter])
    assert open_note(_note(bad_line, ENOCH_LINE), [enoch]).text == TEXT


def test_the_text_ends_at_the_last_blank_line() -> None:
    """A text may have blank lines of its own."""
    signer = Signer("a.example", Ed25519PrivateKey.generate())
    note = sign_note("one\n\ntwo\n\n", [signer])
    assert open_note(note.encode(), [signer.vkey]).text == "one\n\ntwo\n\n"


def test_sixteen_large_signatures_are_accepted() -> None:
    """Post-quantum signatures of witnesses, of which verifiers must take at least sixteen."""
    signer = Signer("a.example", Ed25519PrivateKey.generate())
    large = [str(Signature(f"w{n}.example", b"\x00\x00\x00\x01", bytes(5000))) + "\n" for n in range(15)]
    own = str(signer.sign(TEXT)) + "\n"
    assert open_note(_note(*large, own), [signer.vkey]).signatures == (signer.sign(TEXT),)


@pytest.mark.parametrize(
    "message",
    [
        TEXT.encode(),
        _note(),
        _note(PETER_LINE[:-1]),
        b"\x01" + _note(PETER_LINE),
        b"\xff" + _note(PETER_LINE),
        _note(PETER_LINE).replace(b"\n", b"\r\n"),
        _note(PETER_LINE.replace("PeterNeumann", "Bad Name")),
        _note(PETER_LINE.replace("PeterNeumann", "Bad\u2003Name")),
        _note(PETER_LINE.replace("PeterNeumann", "Bad+Name")),
        _note(PETER_LINE.replace("— PeterNeumann ", "—  ")),
        _note(PETER_LINE.replace("—", "-")),
        _note(PETER_LINE.replace("— ", "—\u00a0")),
        _note(PETER_LINE, "Unexpected line.\n"),
        _note(PETER_LINE.replace("=", "")),
        _note(PETER_LINE.replace("AM=", "AN=")),
        _note("— PeterNeumann x08gow==\n"),
        _note(PETER_LINE + "\n"),
        _note(*[PETER_LINE] * 101),
        _note(PETER_LINE, text="x" * 262_144 + "\n"),
        b"",
        b"\n\n",
    ],
)
def test_what_is_not_a_note_is_refused(message: bytes) -> None:
    """Before any signature is looked at."""
    with pytest.raises(MalformedNote):
        open_note(message, [peter])


@pytest.mark.parametrize("text", ["", "abc", "a\x00b\n", "a\tb\n"])
def test_only_a_note_s_text_is_signed(text: str) -> None:
    """A text that verifiers would refuse gets no signature."""
    with pytest.raises(MalformedNote):
        sign_note(text, [Signer("a.example", Ed25519PrivateKey.generate())])
    with pytest.raises(MalformedNote):
        sign_note("a\n", [])


def test_no_part_and_no_mangling_of_a_vkey_is_taken() -> None:
    """golang/mod's mutations: each substring, and each character increased by one."""
    parts = {PETER[i:j] for i in range(len(PETER)) for j in range(i + 1, len(PETER) + 1)} - {PETER}
    increased = {PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))}
    for vkey in parts | increased:
        with pytest.raises(MalformedKey):
            VerifierKey.parse(vkey)


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER + "\n",
        " " + PETER,
        "",
    ],
)
def test_a_vkey_of_another_length_or_algorithm_is_refused(vkey: str) -> None:
    """Also where the id was made to fit."""
    with pytest.raises(MalformedKey):
        VerifierKey.parse(vkey)


def test_a_vkey_is_split_at_its_first_two_plus_signs() -> None:
    """Base64 may have a plus of its own."""
    signer = Signer.from_seed("plus.example", (19).to_bytes(32, "big"))
    tries = (Signer.from_seed("plus.example", n.to_bytes(32, "big")) for n in range(200))
    with_plus = next((each for each in tries if str(each.vkey).count("+") > 2), signer)
    assert str(with_plus.vkey).count("+") > 2
    assert VerifierKey.parse(str(with_plus.vkey)) == with_plus.vkey


def test_a_key_s_name_has_no_space_and_no_plus() -> None:
    """Unicode spaces count as spaces."""
    assert is_key_name("audit.fj.example/ledger")
    assert is_key_name("福建/账本")
    for name in ("", "a b", "a\u3000b", "a\u00a0b", "a+b", "a\nb", "a\x00b"):
        assert not is_key_name(name)


def test_the_key_id_is_the_recommended_hash() -> None:
    """SHA-256(name, newline, type, key), first four bytes; the type separates the uses of one key."""
    assert key_id(peter.name, 1, peter.public_key).hex() == "c74f20a3"
    assert key_id(peter.name, 4, peter.public_key).hex() != "c74f20a3"
    assert str(Note(TEXT, parse_note(_note(PETER_LINE)).signatures)).encode() == _note(PETER_LINE)
    assert to_base64(b"\xfb") == "+w=="
