"""Topic names, partitions and the record headers of facts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.contracts.fact import CONTENT_TYPE
from shared.telemetry.traceparent import HEADER

PARTITIONS = 6
"""Of each facts and intake topic. Never changes: positions and order rest on it."""

TYPE, SOURCE, POSITION, PREVIOUS = "type", "source", "position", "prev"
_NAMES = (TYPE, SOURCE, POSITION, PREVIOUS)
STRUCTURED = ("content-type", CONTENT_TYPE.encode())
"""By which any CloudEvents library knows the form of a record's value (Kafka protocol binding 1.0.2, 3.3)."""


def facts_topic(service: str) -> str:
    """Kept for ever; written by the service's relay alone."""
    return f"zeren.{service}.facts.v1"


def intake_topic(service: str) -> str:
    """Written by institutions, read by its service alone."""
    return f"zeren.{service}.intake.v1"


def receipts_topic(uscc: str) -> str:
    """Read by one institution."""
    return f"zeren.receipts.{uscc}.v1"


CHECKPOINTS_TOPIC = "zeren.audit.checkpoints.v1"


class FactHeaders(NamedTuple):
    """Transport metadata of a fact's record; never in its bytes.

    Attributes:
        source: "<service>@<store incarnation>".
        position: in the source's event table.
        previous: the position sent to this partition before; 0 at the start.
        hop: the trace context of its sending, where that is recorded; else "".
    """

    type: str
    source: str
    position: int
    previous: int
    hop: str = ""

    def encode(self) -> list[tuple[str, bytes]]:
        """In the fixed order; the hop's last, only where there is one."""
        always = [
            (TYPE, self.type.encode()),
            (SOURCE, self.source.encode()),
            (POSITION, b"%d" % self.position),
            (PREVIOUS, b"%d" % self.previous),
            STRUCTURED,
        ]
        return [*always, (HEADER, self.hop.encode())] if self.hop else always


def fact_headers(headers: object) -> FactHeaders | None:
    """The headers of a fact's record, whatever else stands there; None where the first four don't make sense."""
    rows = headers if isinstance(headers, (tuple, list)) else ()
    try:
        (first, kind), (second, source), (third, position), (fourth, previous) = rows[:4]
        if (first, second, third, fourth) == _NAMES:
            last, hop = rows[-1]
            known = hop.decode() if last == HEADER else ""
            return FactHeaders(kind.decode(), source.decode(), int(position), int(previous), known)
    except (ValueError, TypeError, AttributeError):
        pass  # another shape: looked for by name
    return _by_name(rows)


def _by_name(rows: Sequence[tuple[str, bytes | None]]) -> FactHeaders | None:
    found = {name: value for name, value in rows if isinstance(value, bytes)}
    try:
        return FactHeaders(
            found[TYPE].decode(), found[SOURCE].decode(), int(found[POSITION]), int(found[PREVIOUS]),
            found.get(HEADER, b"").decode("ascii", "replace"),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=16_384)
def partition_of(key: str) -> int:
    """The partition of a key: murmur2, as Kafka's default partitioner picks it."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS


def _murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, with Kafka's seed (org.apache.kafka.common.utils.Utils.murmur2)."""
    length, mask, multiplier = len(data), 0xFFFFFFFF, 0x5BD1E995
    value = (0x9747B28C ^ length) & mask
    whole = length & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if tail := data[whole:]:
        value = (value ^ int.from_bytes(tail, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15
