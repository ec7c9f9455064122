"""A paid claim of the demo, told by `zeren trace`: many traces, one history."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

from tests.stories.running import Demo
from zeren.stack.client import Local
from zeren.stack.paths import CHECKOUT


def _trace(demo: Demo, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "zeren", "trace", *arguments, "--state", demo.state.path.name)
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)


def test_a_claims_traces_and_history_are_joined(demo: Demo) -> None:
    """From the class to the payment: each submission and each decision in a trace of its own, none of them lost."""
    with Local(demo.state) as local:
        bearer = local.as_duty("AUDITOR")
        paid = local.get("audit", "/claims", bearer=bearer, params={"state": "PAID", "limit": 100})["items"]
    # What a person claims comes by HTTP: it has no institution's span.
    claim = next(row for row in paid if row["payee_kind"] == "INSTITUTION")
    told = _trace(demo, claim["claim_id"], "--json")
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    happened = [entry["type"].split(".")[2] for entry in answer["history"]]
    for earlier, later in (("ClassApplied", "TraineeEnrolled"), ("TrainingCompleted", "CertificateIssued"),
                           ("SubsidyClaimed", "ClaimApproved"), ("ClaimApproved", "SubsidyPaid")):  # fmt: skip
        assert happened.index(earlier) < happened.index(later)
    assert Counter(trace["state"] for trace in answer["traces"]) == {"kept": len(answer["traces"])}
    assert len(answer["traces"]) > 10
    names = {span["name"] for trace in answer["traces"] for span in trace["spans"]}
    assert {"send zeren.payment.intake.v1", "process zeren.payment.intake.v1", "send zeren.payment.facts.v1",
            "process zeren.payment.facts.v1", "POST /claims/decisions"} <= names  # fmt: skip
    services = {span["service"] for trace in answer["traces"] for span in trace["spans"]}
    assert services == {"institution", "enrolment", "certification", "payment", "audit"}
    roots = [span for trace in answer["traces"] for span in trace["spans"] if not span["parent"]]
    assert len(roots) == len(answer["traces"])
    shown = _trace(demo, claim["claim_id"])
    assert "已支付 / SubsidyPaid" in shown.stdout, shown.stderr
