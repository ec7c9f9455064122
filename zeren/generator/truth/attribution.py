"""Who answers for a record: what has no sender is quarantined, with one reason."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from zeren.generator.truth.identifiers import is_reference, is_uscc, looks_personal
from zeren.generator.truth.inputs import Sent

MAX_BYTES = 262_144


class Quarantined(Exception):
    """Nobody can be held to the record; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Attributed:
    """A document that an organisation signed. `kind` is the short name: "EnrolTrainee"."""

    uscc: str
    submission: str
    kind: str
    content: dict[str, Any]


class Keys:
    """The registered keys. Every key of a run is valid during the whole run."""

    def __init__(self, organisations: list[dict[str, Any]]) -> None:
        self._owner = {row["key_id"]: row["uscc"] for row in organisations}
        self._keys = {
            row["key_id"]: Ed25519PublicKey.from_public_bytes(_unbase64url(row["public_key"]))
            for row in organisations
        }

    def attribute(self, record: Sent) -> Attributed:
        """Reads and verifies a record, in the order of decisions §8. Raises: Quarantined."""
        content = _readable(record.value)
        uscc = content["source"].removeprefix("urn:uscc:")
        if record.jws is None:
            raise Quarantined("signature.missing")
        key_id, signed, signature = _taken_apart(record.jws)
        if key_id not in self._keys:
            raise Quarantined("signature.key_unknown")
        if self._owner[key_id] != uscc:
            raise Quarantined("signature.key_of_other_institution")
        try:
            self._keys[key_id].verify(signature, signed + b"." + record.value)
        except InvalidSignature:
            raise Quarantined("signature.invalid") from None
        kind = content["type"].removeprefix("zeren.submission.").removesuffix(".v1")
        return Attributed(uscc, content["id"], kind, content)


def _readable(value: bytes) -> dict[str, Any]:
    if not value:
        raise Quarantined("submission.empty")
    if len(value) > MAX_BYTES:
        raise Quarantined("submission.too_large")
    try:
        content = json.loads(value.decode("utf-8"))
    except ValueError:
        raise Quarantined("submission.unreadable") from None
    if not isinstance(content, dict):
        raise Quarantined("submission.unreadable")
    content = {"id": "", "source": "", "type": "", **content}
    if not all(isinstance(content[name], str) for name in ("id", "source", "type")):
        raise Quarantined("submission.unreadable")
    if not is_reference(content["id"]) or looks_personal(content["id"]):
        raise Quarantined("submission.id_unreadable")
    if not content["source"].startswith("urn:uscc:") or not is_uscc(content["source"][9:]):
        raise Quarantined("submission.source_unreadable")
    return content


def _taken_apart(jws: str) -> tuple[str, bytes, bytes]:
    """Key id, signed header, signature of a detached JWS (RFC 7515, RFC 7797)."""
    protected, _, rest = jws.partition(".")
    nothing, _, signature = rest.partition(".")
    try:
        header = json.loads(_unbase64url(protected))
        signed = _unbase64url(signature)
    except (ValueError, binascii.Error):
        raise Quarantined("signature.malformed") from None
    if not isinstance(header, dict) or nothing or not signature:
        raise Quarantined("signature.malformed")
    if header.get("alg") != "Ed25519":
        raise Quarantined("signature.algorithm_not_allowed")
    if header.get("b64") is not False or header.get("crit") != ["b64"] or len(signed) != 64:
        raise Quarantined("signature.malformed")
    return header["kid"], protected.encode(), signed


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
