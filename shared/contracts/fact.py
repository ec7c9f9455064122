"""Facts: what a service decided, encoded once (一字不差).

A fact is a CloudEvents 1.0 JSON document in structured mode. The bytes that `encode` returns are the event
store's state, the Kafka record's value, the ledger's leaf and the export's line; nothing re-serialises them.
Names are permanent: a change of fields is a new version with a class, golden file and upcast of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from shared.identity import uuid5_text, uuid_bytes

D = TypeVar("D")
SERVICES = ("enrolment", "certification", "payment", "audit")
CONTENT_TYPE = "application/cloudevents+json"
MAX_FACT_BYTES = 65_535
"""The ledger's entry limit (C2SP tlog-tiles: a uint16 length). A fact may never pass it."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The `data` of a fact. Holds no personal data: random person ids, codes, amounts, digests, commitments."""


class Envelope(msgspec.Struct, Generic[D], frozen=True, kw_only=True, gc=False):
    """A whole fact: CloudEvents attributes and data, in the order in which they are encoded.

    Attributes:
        id: UUIDv5 of stream and version.
        source: "urn:zeren:<service>".
        subject: the stream's id.
        time: the real clock (UTC) when it was recorded. Judges nothing.
        streamversion: 1, 2, 3 … without a gap.
        partitionkey: the case; which one, the registry says.
        occurredat: business time, +08:00.
        businessdate: the business date (业务日期) on which it was decided.
        actor: "institution:<USCC>", "handler:<id>", "person:<id>", "bank:<USCC>" or "system:<service>".
        duty: D1–D15 of the duty matrix, or SYSTEM.
        region: the class's managing authority, a code of six digits.
        correlationid: the episode (enrolment), else the case.
        causationid: the submission's receipt stream, the foreign fact, or the HTTP command that caused it.
        traceparent: W3C trace context of its creation; hops travel in Kafka headers.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str
    dataschema: str
    streamversion: int
    partitionkey: str
    occurredat: datetime
    businessdate: date
    actor: str
    duty: str
    region: str
    correlationid: str
    causationid: str
    traceparent: str
    data: D


SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The zone of `occurredat`."""
PROVINCE = "350000"
"""The region of what concerns no single authority: Fujian."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Under what a fact was decided: the attributes that are not the decision's own. See `Envelope`."""

    occurredat: datetime
    businessdate: date
    actor: str
    duty: str
    region: str
    correlationid: str
    causationid: str
    traceparent: str


class Header(msgspec.Struct, frozen=True, gc=False):
    """The attributes that one reads without knowing the type."""

    id: str
    source: str
    type: str
    subject: str
    streamversion: int
    partitionkey: str
    causationid: str
    traceparent: str = ""


@dataclass(frozen=True)
class FactType:
    """A fact version's entry in the registry.

    Attributes:
        name: "zeren.payment.SubsidyPaid.v1", for ever.
        key: the field of the data that is the partition key, or "" for the stream.
        correlation: the field that is the correlation id, or "" for what the circumstances say.
    """

    name: str
    service: str
    cls: type[Fact]
    key: str
    correlation: str

    @cached_property
    def source(self) -> str:
        """`source` of its facts."""
        return f"urn:zeren:{self.service}"

    @cached_property
    def schema(self) -> str:
        """`dataschema` of its facts."""
        return f"urn:zeren:schema:{self.name}"

    @property
    def title(self) -> str:
        """The bare name, "SubsidyPaid"."""
        return self.cls.__name__


class UnknownFactType(ValueError):
    """A type that the registry doesn't hold: stop the own stream, pass over a foreign one and count it."""


class FactTooLarge(ValueError):
    """A fact over `MAX_FACT_BYTES`. Documents go in by digest; long lists are split by the decision."""


_BY_NAME: dict[str, FactType] = {}
_BY_CLASS: dict[tuple[str, type], FactType] = {}
_DECODERS: dict[str, msgspec.json.Decoder[Envelope[Any]]] = {}
"""Made while modules load, in one thread. msgspec notes a struct class before it knows its fields: where two threads
make decoders of one class at once, the second reads what is not there yet, and the process dies."""

F = TypeVar("F", bound=Fact)


def fact(
    *services: str, key: str = "", correlation: str = "", version: int = 1
) -> Callable[[type[F]], type[F]]:
    """Registers a fact class under its permanent name, for each service that writes it."""

    def register(cls: type[F]) -> type[F]:
        for service in services:
            entry = FactType(f"zeren.{service}.{cls.__name__}.v{version}", service, cls, key, correlation)
            if entry.name in _BY_NAME:
                raise ValueError(f"fact {entry.name} is registered twice")
            _BY_NAME[entry.name] = _BY_CLASS[service, cls] = entry
            _DECODERS[entry.name] = msgspec.json.Decoder(Envelope[cls])  # type: ignore[valid-type]
        return cls

    return register


def registered() -> Iterator[FactType]:
    """Every fact version, by name. Import the service's contract module first."""
    return iter(sorted(_BY_NAME.values(), key=lambda entry: entry.name))


def fact_type(name: str) -> FactType:
    """Raises: UnknownFactType."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownFactType(name) from None


def type_of(service: str, cls: type) -> FactType:
    """The entry under which a service writes a class. Raises: UnknownFactType."""
    try:
        return _BY_CLASS[service, cls]
    except KeyError:
        raise UnknownFactType(f"{service} does not write {cls.__name__}") from None


_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)


class Encoded(NamedTuple):
    """One fact with its bytes.

    Attributes:
        state: the byte string that is stored, sent, proven and exported.
    """

    id: str
    type: str
    stream: str
    version: int
    partition_key: str
    state: bytes
    data: Fact


def encode(
    service: str, data: Fact, *, stream: str, version: int, given: Circumstances, now: datetime
) -> Encoded:
    """Encodes a fact, once. Raises: UnknownFactType, FactTooLarge."""
    entry = type_of(service, type(data))
    key = getattr(data, entry.key) if entry.key else stream
    envelope = Envelope(
        specversion="1.0",
        id=fact_id(stream, version),
        source=entry.source,
        type=entry.name,
        subject=stream,
        time=now,
        datacontenttype="application/json",
        dataschema=entry.schema,
        streamversion=version,
        partitionkey=key,
        occurredat=given.occurredat,
        businessdate=given.businessdate,
        actor=given.actor,
        duty=given.duty,
        region=given.region,
        correlationid=getattr(data, entry.correlation) if entry.correlation else given.correlationid,
        causationid=given.causationid,
        traceparent=given.traceparent,
        data=data,
    )
    state = _encoder.encode(envelope)
    if len(state) > MAX_FACT_BYTES:
        raise FactTooLarge(
            f"{entry.name} of stream {stream} has {len(state)} bytes, {MAX_FACT_BYTES} allowed"
        )
    return Encoded(envelope.id, entry.name, stream, version, key, state, data)


def fact_id(stream: str, version: int) -> str:
    """UUIDv5 of stream and version."""
    return uuid5_text(uuid_bytes(stream), str(version))


def decode(state: bytes, name: str | None = None) -> Envelope[Any]:
    """A fact from its bytes; `name` spares a look at the type where a header told it.

    Raises:
        UnknownFactType: the type isn't registered.
        msgspec.ValidationError, msgspec.DecodeError: the bytes aren't such a fact.
    """
    name = name or header(state).type
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise UnknownFactType(name)
    return decoder.decode(state)


class _Recorded(msgspec.Struct, frozen=True, gc=False):
    time: datetime


_recorded_decoder = msgspec.json.Decoder(_Recorded)


def recorded_at(state: bytes) -> datetime | None:
    """When a fact was recorded; None where the bytes are no such fact."""
    try:
        at = _recorded_decoder.decode(state).time
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return at if at.tzinfo is not None else None


def header(state: bytes) -> Header:
    """The common attributes of any fact. Raises: msgspec.ValidationError, msgspec.DecodeError."""
    return _header_decoder.decode(state)
