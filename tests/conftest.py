"""Settings of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.nodejs import NEEDING, missing
from tests.sharing import OneStackEach

# Speed is a claim of bench/: no example fails because the machine was busy.
settings.register_profile("zeren", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zeren")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStackEach:
    """With workers (`-n 2`), one stack is not started by both."""
    return OneStackEach(config, log)


collect_ignore = [*NEEDING] if missing() else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says what was not checked for want of Node: nothing is left out in silence."""
    if missing():
        names = ", ".join(f"tests/{name}" for name in NEEDING)
        terminalreporter.section("未检查 / NOT CHECKED")
        terminalreporter.line(f"{missing()}：{names}")
