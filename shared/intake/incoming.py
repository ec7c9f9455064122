"""A record of an intake topic, judged as far as that needs no history: readable, attributable, well-formed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.contracts.checking import Checked, Preamble, Unreadable, check, preamble
from shared.contracts.intake import Origin, Reason
from shared.eventstore.changes import KnowKey
from shared.identity import is_national_id, receipt_id
from shared.intake.signature import BadSignature, Detached, parse_jws, verify
from shared.telemetry.traceparent import HEADER
from shared.telemetry.tracing import OFF, Tracing

JWS_HEADER = "jws"
MAX_TRACEPARENT = 64
"""Bytes of a header that is looked at: a trace context has 55."""


@dataclass(frozen=True, slots=True, repr=False)
class Incoming:
    """One record as it was read. `repr` is bare: the value may hold personal data.

    Attributes:
        traceparent: the context of its decision: what follows from it carries it.
        parent: the context that it came with, whatever text that is; "" where it has none.
    """

    value: bytes
    jws: bytes | None
    origin: Origin
    traceparent: str
    parent: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of value, a zero byte and signature, hex: what makes two records the same."""
        return hashlib.sha256(self.value + b"\0" + (self.jws or b"")).hexdigest()


@dataclass(frozen=True, slots=True)
class Unattributable:
    """It goes to quarantine, or waits for its key.

    Attributes:
        claimed_key: the key id that it names, or "".
        claimed: the sender that it names, a well-formed USCC and no person's ID number, or "".
            Nothing vouches for either.
    """

    incoming: Incoming
    code: str
    claimed_key: str = ""
    claimed: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Attributed:
    """It comes from an organisation and will have a receipt.

    Attributes:
        key: the key that signed it.
        judged: the checked document, or the reasons why its form is wrong.
    """

    incoming: Incoming
    found: Preamble
    key: KnowKey
    judged: Checked | list[Reason]
    receipt_id: str


def read_record(record: Any, tracing: Tracing = OFF) -> Incoming:
    """Takes a Kafka record apart; never raises, whatever its headers and body are."""
    headers: dict[str, Any] = {}
    for name, value in record.headers or ():
        headers.setdefault(name, value)
    jws = headers.get(JWS_HEADER)
    jws = jws if isinstance(jws, bytes) else None
    value = record.value or b""
    origin = Origin(
        digest=hashlib.sha256(value).hexdigest(),
        jws=_well_formed(jws),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        logged_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
    parent = _plain(headers.get(HEADER))
    return Incoming(value, jws, origin, tracing.child(parent), parent)


def _well_formed(jws: bytes | None) -> str:
    """The signature as it goes into facts: what is none may hold anything and is left out."""
    try:
        parse_jws(jws)
    except BadSignature:
        return ""
    assert jws is not None
    return jws.decode()


def _plain(header: object) -> str:
    """A header as text; what is too long or not ASCII is left out."""
    if not isinstance(header, bytes) or len(header) > MAX_TRACEPARENT or not header.isascii():
        return ""
    return header.decode()


def claimed_key(incoming: Incoming) -> str:
    """The key id that a record names, or ""."""
    try:
        return parse_jws(incoming.jws).key_id
    except BadSignature as error:
        return error.key_id


def attribute(incoming: Incoming, keys: Mapping[str, KnowKey], service: str) -> Attributed | Unattributable:
    """Who sent it: preamble, signature, key; then the form of the document."""
    try:
        found = preamble(incoming.value)
    except Unreadable as error:
        return Unattributable(incoming, error.code, claimed_key(incoming))
    try:
        detached: Detached = parse_jws(incoming.jws)
        key = keys.get(detached.key_id)
        verify(detached, incoming.value, key, sender=found.institution, logged_at=incoming.origin.logged_at)
    except BadSignature as error:
        # An ID number may pass as a USCC: one that somebody sent by mistake is stored nowhere in the clear.
        claimed = "" if is_national_id(found.institution) else found.institution
        return Unattributable(incoming, error.code, error.key_id, claimed)
    assert key is not None
    return attributed(incoming, found, key, service)


def attributed(incoming: Incoming, found: Preamble, key: KnowKey, service: str) -> Attributed:
    """A record whose signature is right; also how a woken one comes back."""
    judged = check(incoming.value, found, service, logged_at=incoming.origin.logged_at)
    return Attributed(incoming, found, key, judged, receipt_id(service, found.institution, found.id))
