"""Topic names, partitions and the record headers of facts."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

PARTITIONS = 6
"""Of each facts and intake topic. Never changes: positions and order rest on it."""

TYPE, SOURCE, POSITION, PREVIOUS = "type", "source", "position", "prev"


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
    """

    type: str
    source: str
    position: int
    previous: int

    def encode(self) -> list[tuple[str, bytes]]:
        """In the fixed order."""
        return [
            (TYPE, self.type.encode()),
            (SOURCE, self.source.encode()),
            (POSITION, b"%d" % self.position),
            (PREVIOUS, b"%d" % self.previous),
        ]


def fact_headers(headers: object) -> FactHeaders | None:
    """The four headers of a fact's record, whatever else stands there; None where they don't make sense."""
    rows = headers if isinstance(headers, (tuple, list)) else ()
    found = {name: value for name, value in rows if isinstance(value, bytes)}
    try:
        return FactHeaders(
            found[TYPE].decode(), found[SOURCE].decode(), int(found[POSITION]), int(found[PREVIOUS])
        )
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=65_536)
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
