"""One demo for all stories, kept serving until the last of them is over."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.stories.running import SERVING, STORY_SECONDS, Demo, Terminal, demo_command
from zeren.stack.local import reset
from zeren.stack.processes import marked
from zeren.stack.state import StateFolder

HERE = Path(__file__).parent
TRAINEES, SEED = 60, 7


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A story starts whole stacks: the limit of other tests is too short for it.

    The stories share one demo, and some go on with it: `untouched` ones need it as it ended, and come first.
    """
    items.sort(key=lambda item: item.get_closest_marker("untouched") is None)
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(STORY_SECONDS))


@pytest.fixture
def own_state() -> Iterator[StateFolder]:
    """A state folder for one test; whatever is left of it at its end is stopped and deleted."""
    state = StateFolder.named(f"test-{secrets.token_hex(4)}")
    yield state
    reset(state)


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    """The demo, serving. At the end Ctrl-C must stop everything and leave the exit code 0."""
    state = StateFolder.named(f"test-{secrets.token_hex(4)}")
    terminal = Terminal(demo_command(state, "--trainees", str(TRAINEES), "--seed", str(SEED)))
    try:
        assert terminal.shows(SERVING, STORY_SECONDS), terminal.shown[-4_000:]
        # The demo makes its folder afresh: the id is another one now.
        yield Demo(StateFolder(state.path), terminal)
        assert terminal.interrupt(60) == 0, terminal.shown[-2_000:]
        left = [psutil.Process(one.pid).cmdline() for one in marked(StateFolder(state.path).id)]
        assert left == []
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        reset(StateFolder(state.path))
