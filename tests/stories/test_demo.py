"""The demo as people see it, in a terminal."""

from __future__ import annotations

import json

import pytest

from tests.stories.running import Demo
from zeren.stack.client import Local
from zeren.stack.local import SERVICES
from zeren.stack.supervisor import Supervisor

REGIONS = ("福州", "厦门", "漳州", "泉州", "三明", "莆田", "南平", "龙岩", "宁德", "平潭")


def test_everything_equals_the_truth(demo: Demo) -> None:
    """The comparison with the truth file finds nothing that differs, and the ledger is verified."""
    shown = demo.terminal.shown
    assert "equal to the truth" in shown
    assert "differences" not in shown
    assert "ledger verified: " in shown


@pytest.mark.parametrize("region", REGIONS)
def test_the_table_names_every_region(demo: Demo, region: str) -> None:
    """All ten regions stand in the table; 平潭 apart from 福州."""
    assert region in demo.terminal.shown


def test_the_truth_has_every_kind_of_refusal(demo: Demo) -> None:
    """What real life brings is really in the run: each family of refusals has some."""
    truth = json.loads((demo.dataset / "truth.json").read_text("utf-8"))
    assert {name for name, codes in truth["refusals"].items() if sum(codes.values())} == {
        "receipts",
        "lines",
        "quarantine",
        "people",
        "handlers",
    }
    assert len(truth["races"]) >= 2


def test_one_claim_is_told_with_its_rules_and_the_people_responsible(demo: Demo) -> None:
    """The replay names the facts, the policy with its DEMO marks, and everyone in the chain by post."""
    shown = demo.terminal.shown
    for part in ("SubsidyClaimed", "SubsidyPaid", "演示 / DEMO", "使用 / used", "拨付 / paid", "受理岗"):
        assert part in shown, part


def test_everything_serves_until_the_end(demo: Demo) -> None:
    """In a terminal the whole stack goes on serving: every process runs and every service is ready."""
    assert all(one.running for one in Supervisor(demo.state).status())
    with Local(demo.state) as local:
        assert all(local.ready(service)["ready"] for service in SERVICES)
