"""The comparison with the truth can fail, and then says what differs."""

from __future__ import annotations

import json
import subprocess

from tests.stories.running import demo_command
from zeren.stack.paths import CHECKOUT
from zeren.stack.state import StateFolder

SENDING = "2024-05-13"
"""When the first line of that day is shown, the truth has been written and not been read."""


def test_a_run_that_differs_from_the_truth_exits_with_1_and_names_it(own_state: StateFolder) -> None:
    """One fen more in the truth: the demo says which claim differs, what was expected and what was seen."""
    command = demo_command(own_state, "--trainees", "30", "--seed", "5", "--json")
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line)
            if SENDING in line:
                certificate, fen = _one_fen_more(own_state)
                break
        answer, rest = process.communicate()
    assert process.returncode == 1, "".join(told) + rest
    assert json.loads(answer)["truth_equal"] is False
    differences = [line for line in rest.splitlines() if certificate in line]
    assert len(differences) == 1
    assert f"expected {fen + 1}, observed {fen}" in differences[0]


def _one_fen_more(state: StateFolder) -> tuple[str, int]:
    path = state.path / "dataset" / "truth.json"
    truth = json.loads(path.read_text("utf-8"))
    claim = next(row for row in truth["claims"] if row["outcome"] == "paid")
    fen = claim["amount_fen"]
    claim["amount_fen"] = fen + 1
    path.write_text(json.dumps(truth), "utf-8")
    return str(claim["certificate_id"]), int(fen)
