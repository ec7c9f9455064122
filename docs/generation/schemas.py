"""JSON Schema (2020-12) of every submission and fact version, one self-contained document each.

Written from the classes that decode them, so it says what they say: nothing that they refuse passes, but for what no
schema can say (`NOT_SAID`). A nested class is written out where it stands: no reference to follow. The `data` of a
fact is a schema of its own, named as the fact's `dataschema` names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import inspect

from docs.generation.meanings import Meaning, field_meaning, meaning, term
from shared.contracts import audit, certification, enrolment, payment
from shared.contracts.checking import DATA_CONTENT_TYPE, OWN_NAMES
from shared.contracts.fact import Envelope, FactType, registered
from shared.contracts.submission import NONCE_CHARACTERS, SUBMISSIONS, Document, Submission, SubmissionType
from shared.identity import ID_FORM, REFERENCE, USCC_ALPHABET

CONTRACTS = (enrolment, certification, payment, audit)
"""Importing them fills the registry."""

Schema = dict[str, Any]

COLUMNS = 160
"""How long a line of a generated file may get before it is broken."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = "[+-]([01][0-9]|2[0-3]):[0-5][0-9]"
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_USCC = f"[{USCC_ALPHABET}]{{18}}"
_REFERENCE = REFERENCE.pattern

DATE: Schema = {"type": "string", "format": "date", "pattern": f"^{_DAY}$", "maxLength": 10}
UUID: Schema = {"type": "string", "format": "uuid", "pattern": f"^{_UUID}$", "maxLength": 36}

NOT_SAID = {
    "source": "统一社会信用代码的校验位（GB 32100） / the check character of a USCC (GB 32100)",
    "national_id": "出生日期与校验位（GB 11643） / the birth date and check digit of an ID number (GB 11643)",
    "references": "形似身份证号或电话号码的参考号被拒 / a reference that looks like an ID or phone number is refused",
    "lines": "同一文档中不可重复的行与课次 / lines and sessions that stand twice in one document",
    "sessions": "下课不早于上课 / a session that ends before it begins",
    "time": "至多比 Kafka 的时钟快 24 小时 / at most 24 hours ahead of the broker's clock",
    "integers": "整数不写小数点（45，不写 45.0） / an integer is written without a point (45, not 45.0)",
    "names": "同一对象中不可重复的字段名 / a field that stands twice in one object",
}
"""What a service refuses beyond the schema, in both languages."""


@cache
def schemas() -> Mapping[str, Schema]:
    """Every schema by the name of its type."""
    found = {entry.name: fact_schema(entry) for entry in registered()}
    return found | {entry.name: submission_schema(entry) for entry in SUBMISSIONS.values()}


def contract_classes() -> Iterator[type]:
    """Every class that facts and submissions are made of, each once."""
    seen: set[type] = set()
    roots: list[type] = [Envelope, Document]
    roots += [entry.cls for entry in registered()] + [entry.cls for entry in SUBMISSIONS.values()]
    for cls in roots:
        for each in (cls, *parts_of(cls)):
            if each not in seen:
                seen.add(each)
                yield each


def parts_of(cls: type) -> Iterator[type]:
    """The classes inside a contract class, however deep."""
    for field in _fields(cls):
        for each in _flat(field.type):
            yield each
            yield from parts_of(each)


def _flat(kind: inspect.Type) -> Iterator[type]:
    match kind:
        case inspect.StructType(cls=cls):
            yield cls
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield from _flat(item)
        case inspect.UnionType(types=kinds):
            for each in kinds:
                yield from _flat(each)
        case _:
            return


def _fields(cls: type) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(cls)
    assert isinstance(found, inspect.StructType)
    return found.fields


def fact_schema(entry: FactType) -> Schema:
    """The schema of a fact version: its attributes exactly, its data as the class decodes it."""
    attributes: Mapping[str, Schema] = {
        "specversion": _constant("1.0"),
        "id": UUID,
        "source": _constant(f"urn:zeren:{entry.service}"),
        "type": _constant(entry.name),
        "subject": UUID,
        "time": _date_time("Z"),
        "datacontenttype": _constant("application/json"),
        "dataschema": _constant(f"urn:zeren:schema:{entry.name}"),
        "streamversion": {"type": "integer", "minimum": 1},
        "partitionkey": UUID,
        "occurredat": _date_time(r"\+08:00"),
        "businessdate": DATE,
        "actor": {
            "type": "string",
            "pattern": f"^((institution|bank):{_USCC}|(handler|person):.+|system:{entry.service})$",
        },
        "duty": {"type": "string", "pattern": "^(D([1-9]|1[0-5])|[A-Z]{2,16})$"},
        "region": {"type": "string", "pattern": "^[0-9]{6}$", "maxLength": 6},
        "correlationid": UUID,
        "causationid": UUID,
        "traceparent": {
            "type": "string",
            "pattern": "^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$",
            "maxLength": 55,
        },
    }
    return _document(entry.name, Envelope, entry.cls, attributes)


def submission_schema(entry: SubmissionType) -> Schema:
    """The schema of a submission version: what it lets pass is refused for its form only as `NOT_SAID` tells."""
    attributes: Mapping[str, Schema] = {
        "specversion": _constant("1.0"),
        "id": {"type": "string", "pattern": f"^{_REFERENCE}$", "minLength": 1, "maxLength": 64},
        "source": {"type": "string", "pattern": f"^urn:uscc:{_USCC}$", "maxLength": 27},
        "type": _constant(entry.name),
        "time": _date_time(f"(Z|{_OFFSET})", fraction=9),
        "nonce": {"type": "string", "minLength": NONCE_CHARACTERS, "maxLength": 64},
        "datacontenttype": {**_constant(DATA_CONTENT_TYPE), "default": DATA_CONTENT_TYPE},
    }
    return _document(entry.name, Document, entry.cls, attributes)


def _document(name: str, envelope: type, cls: type, attributes: Mapping[str, Schema]) -> Schema:
    shape = inspect.type_info(envelope)
    assert isinstance(shape, inspect.StructType)
    said: dict[str, Schema] = {}
    for field in shape.fields:
        if field.name == "data":
            said["data"] = {"$id": f"urn:zeren:schema:{name}", **_struct(inspect.type_info(cls))}
        else:
            said[field.name] = _meant(envelope, field.name, attributes[field.name])
    return {
        "$schema": DIALECT,
        "$id": f"urn:zeren:document:{name}",
        "title": f"{term(cls)} / {name}",
        "description": meaning(cls).both,
        **_object(shape, said),
    }


def _struct(shape: inspect.Type) -> Schema:
    assert isinstance(shape, inspect.StructType)
    cls = shape.cls
    said = {field.encode_name: _meant(cls, field.name, _field(cls, field)) for field in shape.fields}
    return {
        "title": f"{term(cls)} / {cls.__name__}",
        "description": meaning(cls).both,
        **_object(shape, said),
    }


def _object(shape: inspect.StructType, properties: Mapping[str, Schema]) -> Schema:
    closed = {"additionalProperties": False} if shape.forbid_unknown_fields else {}
    required = [field.encode_name for field in shape.fields if field.required]
    return {"type": "object", "properties": properties, "required": required, **closed}


def _meant(cls: type, name: str, schema: Schema) -> Schema:
    """A field's schema under its own meaning; that of a class inside it stays where it is."""
    told: Meaning = field_meaning(cls, name)
    inner = {"title": schema["title"]} if "title" in schema else {}
    return {
        **inner,
        "description": told.both,
        **{key: rest for key, rest in schema.items() if key not in _SAID},
    }


_SAID = ("title", "description")


def _field(cls: type, field: inspect.Field) -> Schema:
    schema = _kind(field.type)
    if issubclass(cls, Submission) or cls.__module__ == Submission.__module__:
        schema = _own_name(field, schema)
    plain = (str, int, bool, type(None))
    if not field.required and isinstance(field.default, plain):
        schema = {**schema, "default": field.default}
    return schema


def _own_name(field: inspect.Field, schema: Schema) -> Schema:
    """What a sender's own names and ID numbers must look like besides: see `shared.contracts.checking`."""
    if field.name == "national_id":
        return {**schema, "pattern": f"^{ID_FORM.pattern}$", "minLength": 18, "maxLength": 18}
    if schema["type"] == "array" and schema["items"]["type"] == "string":
        return {**schema, "items": {**schema["items"], "pattern": f"^{_REFERENCE}$"}}
    if schema["type"] == "string" and field.name.endswith(OWN_NAMES):
        empty = "" if schema.get("minLength") else "?"
        return {**schema, "pattern": f"^({_REFERENCE}){empty}$" if empty else f"^{_REFERENCE}$"}
    return schema


def _kind(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.StrType():
            bounds = {"minLength": kind.min_length, "maxLength": kind.max_length, "pattern": kind.pattern}
            return {"type": "string", **_given(bounds)}
        case inspect.IntType():
            return {"type": "integer", **_given({"minimum": kind.ge, "maximum": kind.le})}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.NoneType():
            return {"type": "null"}
        case inspect.DateType():
            return DATE
        case inspect.DateTimeType():
            return _date_time(f"(Z|{_OFFSET})")
        case inspect.LiteralType(values=values):
            return {"type": "string", "enum": list(values)}
        case inspect.ListType() | inspect.VarTupleType():
            bounds = {"minItems": kind.min_length, "maxItems": kind.max_length}
            return {"type": "array", "items": _kind(kind.item_type), **_given(bounds)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _kind(value)}
        case inspect.UnionType(types=kinds):
            return _either([_kind(each) for each in kinds])
        case inspect.StructType():
            return _struct(kind)
        case _:
            raise TypeError(
                f"no schema for {kind}: contracts hold text, integers, dates, lists and their own classes"
            )


def _either(choices: list[Schema]) -> Schema:
    """One of several kinds of JSON value: a keyword binds only values of its own kind, so they may stand together."""
    merged: Schema = {"type": [choice["type"] for choice in choices]}
    for choice in choices:
        merged |= {key: rest for key, rest in choice.items() if key != "type"}
    return merged


def _given(bounds: Mapping[str, Any]) -> Schema:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _constant(text: str) -> Schema:
    return {"type": "string", "const": text}


def _date_time(zone: str, fraction: int = 6) -> Schema:
    """A time with its zone (RFC 3339)."""
    return {
        "type": "string",
        "format": "date-time",
        "pattern": rf"^{_DAY}T{_CLOCK}(\.[0-9]{{1,{fraction}}})?{zone}$",
    }


def encoded(schema: Any, indent: str = "") -> str:
    """JSON as it stands in a file: what fits on a line stands on one."""
    short = json.dumps(schema, ensure_ascii=False)
    if len(short) + len(indent) <= COLUMNS or not isinstance(schema, (dict, list)):
        return short
    deeper = indent + "  "
    if isinstance(schema, list):
        rows, (begin, end) = [encoded(each, deeper) for each in schema], "[]"
    else:
        begin, end = "{}"
        rows = [f"{json.dumps(name)}: {encoded(each, deeper)}" for name, each in schema.items()]
    return f"{begin}\n{deeper}" + f",\n{deeper}".join(rows) + f"\n{indent}{end}"
