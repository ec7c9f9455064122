"""Lists of one plain kind go to PostgreSQL as binary arrays.

The driver writes a list as text, quoting element by element, and the server reads it the same way: for bytes twice
their length both times. Here texts, bytes, UUIDs and integers are packed as the server keeps them (PostgreSQL manual,
`array_send`). A statement casts what it needs: `%s::uuid[]` takes texts as well.
"""

from __future__ import annotations

from operator import attrgetter
from struct import Struct
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import DumperKey
from psycopg.adapt import Buffer, Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.array import ListDumper
from sqlalchemy import Engine, event

_HEAD = Struct(">5i").pack
_LENGTH = Struct(">i").pack
_INTEGER = Struct(">q").pack
_NULL = _LENGTH(-1)


class _Packed(Dumper):
    """An array of one dimension.

    Attributes:
        element: the type of its elements, as PostgreSQL numbers it.
        pack: one element's bytes.
    """

    format = Format.BINARY
    element: int
    pack: Any

    def dump(self, obj: list[Any]) -> Buffer:
        """The array's bytes; None becomes NULL."""
        parts = [_HEAD(1, 0, self.element, len(obj), 1)]
        nulls = False
        for each in obj:
            if each is None:
                parts.append(_NULL)
                nulls = True
            else:
                packed = self.pack(each)
                parts += (_LENGTH(len(packed)), packed)
        if nulls:
            parts[0] = _HEAD(1, 1, self.element, len(obj), 1)
        return b"".join(parts)


class _Texts(_Packed):
    oid, element = 1009, 25
    pack = staticmethod(str.encode)


class _Bytes(_Packed):
    oid, element = 1001, 17
    pack = staticmethod(bytes)


class _Uuids(_Packed):
    oid, element = 2951, 2950

    pack = staticmethod(attrgetter("bytes"))


class _Integers(_Packed):
    oid, element = 1016, 20
    pack = staticmethod(_INTEGER)


_KINDS: dict[type, type[_Packed]] = {str: _Texts, bytes: _Bytes, UUID: _Uuids, int: _Integers}


class QuickList(ListDumper):
    """The driver's own, but for lists of one plain kind."""

    def get_key(self, obj: list[Any], format: PyFormat) -> DumperKey:  # noqa: A002 - the driver's name
        """See `Dumper`."""
        kind = _kind(obj, format)
        return super().get_key(obj, format) if kind is None else (list, kind)

    def upgrade(self, obj: list[Any], format: PyFormat) -> Any:  # noqa: A002
        """See `Dumper`."""
        kind = _kind(obj, format)
        return super().upgrade(obj, format) if kind is None else _KINDS[kind](list, self._tx)


def _kind(values: list[Any], wanted: PyFormat) -> type | None:
    """The one kind of all elements but None; None where there is no such kind, or text is wanted."""
    if wanted is PyFormat.TEXT:
        return None
    kinds = set(map(type, values))
    kinds.discard(type(None))
    found = kinds.pop() if len(kinds) == 1 else None
    return found if found in _KINDS else None


def quick_lists(engine: Engine) -> Engine:
    """The same engine; its connections write lists so."""
    event.listen(engine, "connect", _register)
    return engine


def _register(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.adapters.register_dumper(list, QuickList)
