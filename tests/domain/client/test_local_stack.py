"""The local stack seen from above: its handlers, its business days, its ledger's key."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from shared.tlog.notes import Signer
from zeren.stack.days import NotDrained, wait_drained
from zeren.stack.handlers import handlers_with, read_handlers
from zeren.stack.state import StateFolder
from zeren.stack.whole import LEDGER_NAME, ledger_key_file, ledger_vkey

REVIEWING = ("D3", "D8", "D9", "D10", "D11", "D12", "D14")


@pytest.mark.parametrize("duty", REVIEWING)
def test_every_reviewing_duty_has_two_people(duty: str) -> None:
    """So that one of them can act where the other already did."""
    assert len(set(handlers_with(duty))) >= 2


def test_nobody_holds_two_duties_of_the_way_of_a_claim() -> None:
    """Separation of duties is not left to a refusal in the default set-up."""
    held = Counter(one.handler_id for one in read_handlers() for duty in one.duties if duty in REVIEWING)
    assert max(held.values()) == 1


def test_the_offices_that_the_commands_need_are_held() -> None:
    """Registering, opening days, approving bodies, auditing, operating."""
    for duty in ("REGISTRAR", "DAY", "BODY", "AUDITOR", "OPERATOR"):
        assert handlers_with(duty)
    with pytest.raises(LookupError):
        handlers_with("D99")


class Services:
    """Four services whose drain states follow a script, one entry a round."""

    def __init__(self, *rounds: dict[str, Any]) -> None:
        self._rounds = rounds
        self.looks: Counter[str] = Counter()

    def get(self, service: str, _path: str, *, params: dict[str, float]) -> dict[str, Any]:
        """The next entry of the script; the last one for ever. A service that waits is told for how long."""
        assert params["wait"] > 0
        at = min(self.looks[service], len(self._rounds) - 1)
        self.looks[service] += 1
        return {"service": service, "head": 1, "drained": True, **self._rounds[at]}


def test_drained_means_twice_in_a_row_with_the_same_heads() -> None:
    """Between two looks a fact may have travelled from one service to the next."""
    services = Services({"head": 1}, {"head": 2}, {"drained": False, "head": 2}, {"head": 2}, {"head": 2})
    wait_drained(services)  # type: ignore[arg-type]
    assert set(services.looks.values()) == {5}


def test_waiting_for_the_end_of_work_has_a_deadline_and_names_what_is_left() -> None:
    """The message says which service has what under way."""
    services = Services({"drained": False, "unread": {"t-0": 3}, "waking": 2})
    with pytest.raises(NotDrained, match=r"payment unread=3.*payment waking=2"):
        wait_drained(services, seconds=0.05)  # type: ignore[arg-type]


def test_a_partition_that_stands_still_ends_the_waiting_at_once() -> None:
    """It would never drain."""
    services = Services({"drained": False, "stopped": {"zeren.enrolment.facts.v1-0": "gap"}})
    with pytest.raises(NotDrained, match="gap"):
        wait_drained(services)  # type: ignore[arg-type]
    assert set(services.looks.values()) == {1}


def test_the_ledgers_verifier_key_comes_from_its_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from the server that is to be checked; before the first start there is none."""
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(tmp_path))
    state = StateFolder.named("up")
    assert ledger_vkey(state) == ""
    ledger_key_file(state).write_bytes(base64.b64encode(bytes(32)) + b"\n")
    assert ledger_vkey(state) == str(Signer.from_seed(LEDGER_NAME, bytes(32)).vkey)
