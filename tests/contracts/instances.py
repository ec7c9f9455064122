"""Instances of contract classes, made by Hypothesis from what the classes themselves say."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from shared.contracts.checking import OWN_NAMES
from shared.contracts.fact import Circumstances, FactType, encode
from shared.contracts.submission import Document, Submission, SubmissionType
from tests.contracts.make_golden import GIVEN, NOW, SAMPLE_USCC, SAMPLE_UUID

MOST = 3
"""Items of a list, where the class allows so many."""
REFERENCES = st.from_regex(r"[A-Z][A-Za-z._-]{0,63}", fullmatch=True)
"""None looks like an ID or phone number: without digits."""
ID_NUMBERS = st.sampled_from(["110105199003071095", "11010519491231002X"])
TEXTS = st.text(max_size=20)
BIG = 1 << 40


def facts(entry: FactType) -> st.SearchStrategy[bytes]:
    """Bytes of facts of a version, as its service would write them."""
    return st.builds(
        lambda data, version, given: (
            encode(entry.service, data, stream=SAMPLE_UUID, version=version, given=given, now=NOW).state
        ),
        _data(entry),
        st.integers(1, BIG),
        _circumstances(entry.service),
    )


def _data(entry: FactType) -> st.SearchStrategy[Any]:
    """Keys and correlations are ids; the rest is anything that the class takes."""
    ids = {name: st.uuids().map(str) for name in (entry.key, entry.correlation) if name}
    return _struct(entry.cls, ids)


def _circumstances(service: str) -> st.SearchStrategy[Circumstances]:
    actors = st.sampled_from(
        [
            f"institution:{SAMPLE_USCC}",
            f"bank:{SAMPLE_USCC}",
            "handler:h-1",
            f"person:{SAMPLE_UUID}",
            f"system:{service}",
        ]
    )
    return st.builds(
        msgspec.structs.replace,
        st.just(GIVEN),
        actor=actors,
        duty=st.sampled_from(["D1", "D15", "SYSTEM", "REGISTRAR", "ERASURE"]),
        occurredat=st.datetimes(timezones=st.just(timezone(timedelta(hours=8)))),
        businessdate=st.dates(),
        traceparent=st.sampled_from([GIVEN.traceparent, ""]),
    )


def submissions(entry: SubmissionType) -> st.SearchStrategy[bytes]:
    """Bytes of documents of a version, whose form a service takes but for what stands twice."""
    documents = st.builds(
        Document,
        specversion=st.just("1.0"),
        id=REFERENCES,
        source=st.just(f"urn:uscc:{SAMPLE_USCC}"),
        type=st.just(entry.name),
        time=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])),
        nonce=st.text(min_size=22, max_size=64),
        data=_struct(entry.cls, {}),
    )
    return documents.map(msgspec.json.encode)


def _struct(cls: type, known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    shape = inspect.type_info(cls)
    assert isinstance(shape, inspect.StructType)
    own = cls.__module__ == Submission.__module__
    values = {
        field.name: known[field.name] if field.name in known else _field(field, own=own)
        for field in shape.fields
        if field.required or not own
    }
    return st.builds(cls, **values)


def _field(field: inspect.Field, *, own: bool) -> st.SearchStrategy[Any]:
    match field.type:
        case inspect.StrType() if own and field.name.endswith(OWN_NAMES):
            return REFERENCES if field.type.min_length else REFERENCES | st.just("")
        case inspect.StrType() if field.name == "national_id":
            return ID_NUMBERS
        case inspect.ListType(item_type=inspect.StrType()) if own:
            return st.lists(REFERENCES, max_size=MOST)
        case kind:
            return _kind(kind)


def _kind(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: not text.endswith("\n"))
        case inspect.StrType():
            return st.text(min_size=kind.min_length or 0, max_size=kind.max_length or 20)
        case inspect.IntType():
            return st.integers(-BIG if kind.ge is None else kind.ge, BIG if kind.le is None else kind.le)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.DateType():
            return st.dates()
        case inspect.DateTimeType():
            return st.datetimes(timezones=st.just(UTC))
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.ListType(item_type=item):
            return st.lists(_kind(item), min_size=kind.min_length or 0, max_size=MOST)
        case inspect.VarTupleType(item_type=item):
            return st.lists(_kind(item), max_size=MOST).map(tuple)
        case inspect.DictType():
            return st.dictionaries(TEXTS, _kind(kind.value_type), max_size=MOST)
        case inspect.UnionType(types=kinds):
            return st.one_of([_kind(each) for each in kinds])
        case inspect.StructType(cls=cls):
            return _struct(cls, {})
        case _:
            raise TypeError(f"no instances of {kind}")
