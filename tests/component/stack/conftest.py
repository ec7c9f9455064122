"""The stack's own servers: these tests kill them, so nobody else may stand on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from zeren.stack.local import Servers, reset, start_servers
from zeren.stack.state import StateFolder


@pytest.fixture(scope="package")
def own_servers(fresh_state: Callable[[], StateFolder]) -> Iterator[Servers]:
    """Freshly made servers that the tests of this folder may kill and start again."""
    state = fresh_state()
    with state.locked():
        yield start_servers(state)
        reset(state)
