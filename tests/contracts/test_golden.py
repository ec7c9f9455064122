"""Fact versions are for ever: each has a golden file, which decodes and encodes again to its own bytes."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import msgspec
import pytest

from shared.contracts.fact import (
    MAX_FACT_BYTES,
    Circumstances,
    Envelope,
    FactType,
    decode,
    encode,
    registered,
)
from shared.contracts.submission import SUBMISSIONS
from tests.contracts.make_golden import (
    CONTRACTS,
    FACT_NAMES,
    GOLDEN,
    SUBMISSION_NAMES,
    golden_path,
    missing,
)

FACTS = [entry for module in CONTRACTS for entry in registered() if entry.service == module.SERVICE]
FILES = sorted(GOLDEN.glob("*.json"))
ATTRIBUTES = Envelope.__struct_fields__
ORDINARY_FIELDS = 20
"""CloudEvents 1.0 §3.1.1: attribute names should have at most 20 characters."""


def test_every_fact_version_has_its_golden_files() -> None:
    """A fact without one: run `python -m tests.contracts.make_golden` and commit what it writes."""
    assert [path.name for path, _ in missing()] == []


def test_names_once_registered_stay_registered() -> None:
    """A stored fact or a signed submission of any name must stay readable for ever."""
    assert FACT_NAMES.read_text("utf-8").split() == sorted(entry.name for entry in FACTS)
    assert SUBMISSION_NAMES.read_text("utf-8").split() == sorted(SUBMISSIONS)


def test_every_golden_file_belongs_to_a_registered_fact() -> None:
    """A golden file whose fact is gone means that history can't be read any more."""
    names = {entry.name for entry in FACTS}
    assert {path.stem.removesuffix(".required") for path in FILES} == names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_fact_encodes_again_to_its_own_bytes(path: Path) -> None:
    """Decoded and encoded by today's code, the fact keeps every byte: the ledger's digests stay true."""
    state = path.read_bytes()
    fact = decode(state)
    assert fact.type == path.stem.removesuffix(".required")
    assert msgspec.json.encode(fact) == state


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_any_json_library_reads_the_same_document(path: Path) -> None:
    """Without our codec: compact UTF-8 JSON, attributes in the fixed order, the id derived as documented."""
    state = path.read_bytes()
    document = json.loads(state)
    assert json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() == state
    assert tuple(document) == ATTRIBUTES
    stream, version = uuid.UUID(document["subject"]), document["streamversion"]
    assert document["id"] == str(uuid.uuid5(stream, str(version)))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_fact_names_the_zones_of_its_times(path: Path) -> None:
    """`time` is UTC, `occurredat` is +08:00; a time without a zone would mean nothing to an auditor."""
    document = json.loads(path.read_bytes())
    assert document["time"].endswith("Z")
    assert document["occurredat"].endswith("+08:00")


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_attribute_names_are_those_that_cloudevents_allows(attribute: str) -> None:
    """CloudEvents 1.0 §3.1.1: lower-case letters and digits."""
    assert re.fullmatch(rf"[a-z0-9]{{1,{ORDINARY_FIELDS}}}", attribute)


@pytest.mark.parametrize("entry", FACTS, ids=lambda entry: entry.name)
def test_partition_key_and_correlation_are_fields_of_the_fact(entry: FactType) -> None:
    """The registry names fields that the fact has, or none."""
    fields = {*entry.cls.__struct_fields__, ""}
    assert {entry.key, entry.correlation} <= fields


@pytest.mark.parametrize("entry", FACTS, ids=lambda entry: entry.name)
def test_the_name_carries_service_class_and_version(entry: FactType) -> None:
    """`zeren.<service>.<Class>.v<n>`, never a module path."""
    assert re.fullmatch(rf"zeren\.{entry.service}\.{entry.title}\.v[1-9][0-9]*", entry.name)


@pytest.mark.parametrize("entry", FACTS, ids=lambda entry: entry.name)
def test_money_in_a_fact_is_an_integer_of_fen(entry: FactType) -> None:
    """No field of a fact, however deep, is a float."""
    schema = json.dumps(msgspec.json.schema(entry.cls))
    assert '"number"' not in schema


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_fact_is_far_below_the_ledgers_entry_limit(path: Path) -> None:
    """Facts aim at 1 kB (docs/events.md says which are over); an ordinary one never nears the limit."""
    assert len(path.read_bytes()) <= MAX_FACT_BYTES // 32


def test_a_version_can_not_be_registered_twice() -> None:
    """Samples of two versions would otherwise share a name, and one would be lost."""
    assert len({entry.name for entry in FACTS}) == len(FACTS) == len(list(registered()))


def test_the_encoder_gives_the_golden_bytes_today() -> None:
    """`encode` itself, not only msgspec: the envelope is filled as it was when the file was written."""
    state = golden_path("zeren.payment.SubsidyPaid.v1").read_bytes()
    fact = decode(state)
    again = encode(
        "payment",
        fact.data,
        stream=fact.subject,
        version=fact.streamversion,
        given=Circumstances(**{name: getattr(fact, name) for name in Circumstances.__struct_fields__}),
        now=fact.time,
    )
    assert (again.state, again.id, again.partition_key) == (state, fact.id, fact.data.person_id)
