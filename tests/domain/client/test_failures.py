"""What an error means to the caller."""

from __future__ import annotations

import pytest

from zeren.cli.failures import told
from zeren.stack.client import ServiceRefused


@pytest.mark.parametrize(
    ("status", "code", "exit_code"), [(409, "claim.unknown", 1), (503, "service.unavailable", 3)]
)
def test_a_service_that_can_not_answer_now_is_out_of_reach(status: int, code: str, exit_code: int) -> None:
    """It did nothing: the same may be asked again."""
    answer = told(ServiceRefused("payment", status, {"code": code}))
    assert answer is not None
    assert answer[0] == exit_code
    assert code in answer[1]
