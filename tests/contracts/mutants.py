"""Documents with one thing wrong in each, made from a right one by what its schema says."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Json = Any
Schema = Mapping[str, Any]

OTHER_KINDS: Mapping[str, Json] = {
    "string": 7,
    "integer": "7",
    "boolean": "true",
    "array": {},
    "object": [],
    "null": 7,
}


class Mutant(NamedTuple):
    """A wrong document. `what` says how it is wrong: "missing data.lines", "another kind data.lines[].minutes"."""

    what: str
    document: Json


def mutants(document: Json, schema: Schema) -> Iterator[Mutant]:
    """Everything that the schema forbids, done once to each field of the document."""
    for path, here in _places(schema, document, ()):
        named = _named(path)
        for what, value in _wrong(here):
            yield Mutant(f"{what} {named}", _with(document, path, value))
        for name in here.get("required", ()):
            yield Mutant(f"missing {_named((*path, name))}", _with(document, (*path, name), _GONE))
        if here["type"] == "object" and "properties" in here:
            yield Mutant(f"unknown field in {named}", _with(document, (*path, "unheard_of"), 1))


_GONE = object()
Path = tuple[str | int, ...]


def _places(schema: Schema, value: Json, path: Path) -> Iterator[tuple[Path, Schema]]:
    yield path, schema
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _places(inner, value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from _places(schema["items"], value[0], (*path, 0))


def _wrong(schema: Schema) -> Iterator[tuple[str, Json]]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    yield "another kind", OTHER_KINDS[kinds[0]]
    if "null" not in kinds:
        yield "null", None
    if "const" in schema:
        yield "another value", f"{schema['const']}x"
    if "enum" in schema:
        yield "no such value", "UNHEARD_OF"
    if "pattern" in schema:
        yield "another form", "?"
    if "minLength" in schema:
        yield "too short", "x" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "too long", "x" * (schema["maxLength"] + 1)
    if "minimum" in schema:
        yield "too small", schema["minimum"] - 1
    if "maximum" in schema:
        yield "too large", schema["maximum"] + 1
    if "minItems" in schema:
        yield "too few", []


def _named(path: Path) -> str:
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _with(document: Json, path: Path, value: Json) -> Json:
    """A copy with another value at a path, or without what stands there."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    at = changed
    for step in path[:-1]:
        at = at[step]
    if value is _GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed
