"""Disasters on real servers: the fixtures that several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.component.faults.sending import Town, found_town
from zeren.stack.local import reset
from zeren.stack.state import StateFolder


@pytest.fixture(scope="package")
def town(fresh_state: Callable[[], StateFolder]) -> Iterator[Town]:
    """A whole stack with two schools, an assessment body and a bank, for every test of this folder."""
    state = fresh_state()
    with state.locked():
        found = found_town(state)
        yield found
        found.local.close()
    reset(state)
