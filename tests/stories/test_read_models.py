"""The operator's commands on read models, beside services that run."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import psycopg

from tests.stories.running import STORY_SECONDS, Demo
from zeren.stack.local import SERVICES
from zeren.stack.paths import CHECKOUT


def run(demo: Demo, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, one answer a read model, and what was said to people."""
    command = (
        sys.executable,
        "-m",
        "zeren",
        "projection",
        *arguments,
        "--json",
        "--state",
        demo.state.path.name,
    )
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=STORY_SECONDS, check=False
    )
    return done.returncode, json.loads(done.stdout)["projections"], done.stderr


def test_every_read_model_is_what_its_facts_say_and_can_be_built_anew(demo: Demo) -> None:
    """On a whole run of the demo, in all four services, while they serve."""
    code, verified, said = run(demo, "verify")
    assert (code, [one for one in verified if not one["equal"]]) == (0, []), said
    assert {one["service"] for one in verified} == set(SERVICES)
    code, rebuilt, said = run(demo, "rebuild")
    assert code == 0, said
    assert "条事实" in said
    code, found, said = run(demo, "status")
    assert code == 0, said
    names = [(one["service"], one["name"]) for one in found]
    assert names == [(one["service"], one["name"]) for one in verified]
    assert all(one["rebuilt_at"] and one["lag"] == 0 and not one["left_over"] for one in found)
    assert [(one["position"], one["end"]) for one in found] == [(one["facts"],) * 2 for one in rebuilt]
    assert all(count for one in found for count in one["rows"].values())


def test_a_forged_row_is_named_and_a_rebuild_mends_it(demo: Demo) -> None:
    """Someone writes a higher sum into the read model: exit code 1, with claim, column, and both values."""
    forge = (
        "UPDATE claims_by_stage SET paid_fen = paid_fen + 1 WHERE stage = 'PAID' AND filed = "
        "(SELECT min(filed) FROM claims_by_stage WHERE stage = 'PAID') RETURNING claim_id, paid_fen"
    )
    url = demo.servers.database_url("payment").replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        claim, forged = connection.execute(forge).fetchone() or ("", 0)
    code, (found,), _ = run(demo, "verify", "payment/claims_by_stage")
    assert (code, found["different"]) == (1, 1)
    assert found["first"] == [
        {
            "table": "claims_by_stage",
            "key": {"claim_id": claim},
            "kind": "other",
            "columns": {"paid_fen": [forged, forged - 1]},
        }
    ]
    assert run(demo, "rebuild", "payment/claims_by_stage")[0] == 0
    assert run(demo, "verify", "payment/claims_by_stage")[0] == 0
