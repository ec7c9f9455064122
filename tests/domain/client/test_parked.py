"""`zeren parked`: what it tells of what waits, and of what it woke."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from zeren.cli import parked
from zeren.cli.entry import main
from zeren.stack.local import SERVICES


class Services:
    """Four services that answer by a script."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def handler_token(self, handler: str) -> str:
        """Anybody's."""
        return handler

    def as_duty(self, duty: str) -> str:
        """Anybody's."""
        return duty

    def get(self, service: str, path: str, **_asked: Any) -> Any:
        """What the script has for the service and path."""
        return self._answers[f"{service} {path}"]

    def post(self, service: str, path: str, _body: Any, **_asked: Any) -> Any:
        """The same."""
        return self.get(service, path)


def answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
    """Has the command speak to services that answer so."""

    @contextmanager
    def local(_name: str | None) -> Iterator[Services]:
        yield Services(answers)

    monkeypatch.setattr(parked, "local", local)


def waiting(**changes: Any) -> dict[str, Any]:
    """A parked submission as a service tells of it."""
    row = {
        "institution": "",
        "claimed": "",
        "submission_id": "",
        "type": "",
        "awaited": "key:k-1",
        "due": None,
    }
    return {**row, **changes}


def listing(*rows: dict[str, Any]) -> dict[str, Any]:
    """Services of which enrolment has these submissions parked."""
    none: dict[str, Any] = {f"{name} /parked": {"parked": []} for name in SERVICES}
    facts = {f"{name} /parked-facts": {"items": []} for name in SERVICES}
    return {**none, **facts, "enrolment /parked": {"parked": list(rows)}}


def test_the_sender_that_a_submission_under_an_unknown_key_names_is_told_as_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And never as the institution whose it is."""
    answering(
        monkeypatch,
        listing(waiting(claimed="91350100M000100Y43"), waiting(institution="91350200M000200Y57"), waiting()),
    )
    assert main(["parked", "list"]) == 0
    said = capsys.readouterr().out
    assert "91350100M000100Y43（自称，未核实 / as claimed, unverified）" in said
    assert said.count("unverified") == 1
    assert "91350200M000200Y57 " in said
    assert "key:k-1" in said


def woken(**counts: int) -> dict[str, Any]:
    """Services that wake so many."""
    return {f"{name} /parked/retry": {"woken": counts.get(name, 0)} for name in SERVICES}


def test_a_retry_of_submissions_tells_how_many_it_woke(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In every service, for people and for machines."""
    answering(monkeypatch, woken(enrolment=2, payment=1))
    assert main(["parked", "retry", "operator:KeyError"]) == 0
    said = capsys.readouterr().out
    assert "已唤醒 3 份（enrolment 2, payment 1）" in said
    assert "3 woken" in said
    assert main(["parked", "retry", "operator:KeyError", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["awaited"], told["woken"], told["services"]["enrolment"]) == ("operator:KeyError", 3, 2)


def test_a_retry_that_woke_nobody_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that was mistyped is seen."""
    answering(monkeypatch, woken())
    assert main(["parked", "retry", "operator:KeyEror"]) == 0
    assert (
        "没有报送在等待 operator:KeyEror / no submission waits for operator:KeyEror"
        in capsys.readouterr().out
    )
