"""Derived ids are UUIDv5, digit for digit."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.fact import fact_id
from shared.identity import uuid5_text


@given(st.uuids(), st.text())
def test_a_named_id_is_what_the_standard_library_makes_of_it(namespace: uuid.UUID, name: str) -> None:
    """Version, variant and hyphens included."""
    assert uuid5_text(namespace.bytes, name) == str(uuid.uuid5(namespace, name))


@given(st.uuids(), st.integers(min_value=1, max_value=2**63 - 1))
def test_a_facts_id_is_that_of_its_stream_and_version(stream: uuid.UUID, version: int) -> None:
    """However often the stream was seen before."""
    assert fact_id(str(stream), version) == str(uuid.uuid5(stream, str(version)))
