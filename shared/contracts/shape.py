"""Everything that is wrong with the shape of a JSON text, where a decoder stops at the first of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec


class Fault(NamedTuple):
    """One field that is missing, superfluous or not what it must be.

    Attributes:
        path: from the root down to the field, of names of ours alone. A superfluous field's own name may be anything,
            a person's too: its fault has the path of the object that it stands in.
        said: in the words of the decoder, in English; may quote what stands there.
    """

    path: str
    said: str


def faults(value: bytes | msgspec.Raw, kind: Any, path: str = "") -> Iterator[Fault]:
    """The faults of a value of a kind, in the order of its fields: those of its parts, else its own.

    Raises: msgspec.DecodeError, UnicodeDecodeError, RecursionError: no JSON, or too deep.
    """
    try:
        _decoder(kind).decode(value)
    except msgspec.ValidationError as error:
        first = Fault(path, _at(path, str(error)))
    else:
        return
    parts = _faults_of_parts(value, _bare(kind), path)
    try:
        first = next(parts, first)
    except msgspec.ValidationError:
        # Something else stands where an object or a list must be: it has no such parts.
        parts.close()
    yield first
    yield from parts


def _faults_of_parts(value: bytes | msgspec.Raw, kind: Any, path: str) -> Generator[Fault, None, None]:
    """Raises at the first step: msgspec.ValidationError: no such object or list."""
    if get_origin(kind) is list:
        (row_kind,) = get_args(kind)
        for at, row in enumerate(_rows.decode(value)):
            yield from faults(row, row_kind, f"{path}[{at}]")
    elif _is_object(kind):
        yield from _faults_of_fields(_named.decode(value), kind, path)


def _faults_of_fields(named: dict[str, msgspec.Raw], kind: Any, path: str) -> Iterator[Fault]:
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in known.items():
        inner = f"{path}.{name}" if path else name
        if name in named:
            yield from faults(named[name], field.type, inner)
        elif field.required:
            yield Fault(inner, _at(path, f"Object missing required field `{name}`"))
    if more := [name for name in named if name not in known]:
        told = ", ".join(f"`{name}`" for name in more)
        yield Fault(path, _at(path, f"Object contains unknown field {told}"))


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_named = msgspec.json.Decoder(dict[str, msgspec.Raw])


@cache  # made late, yet safe: the structs in it stand since the documents' decoders were made
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _bare(kind: Any) -> Any:
    """A kind without its bounds."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _is_object(kind: Any) -> bool:
    cls = get_origin(kind) or kind
    return isinstance(cls, type) and issubclass(cls, msgspec.Struct)


def _at(path: str, said: str) -> str:
    return f"{said} - at `$.{path}`" if path else said
