"""The command line as a caller meets it: help, exit codes, JSON, and no traces where nothing was started."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from shared.identity import is_reason_code
from zeren.cli.day import opened
from zeren.cli.entry import COMMANDS, HIDDEN, main
from zeren.institution.keys import SigningKey, write_key

PROMISED = (
    "up down status doctor logs reset demo institution validate codes submit token worklist claim audit targets "
    "ledger policy projection day backup restore recover resend person parked resume trace "
    "class"
)


@pytest.fixture
def state_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "states"
    monkeypatch.setenv("ZEREN_STATE_ROOT", str(root))
    monkeypatch.delenv("ZEREN_STATE", raising=False)
    return root


def test_the_commands_are_those_that_were_promised() -> None:
    """Scripts stand on these names."""
    assert set(COMMANDS) == set(PROMISED.split())
    assert set(HIDDEN) == {"issuer", "bank"}


@pytest.mark.parametrize(
    ("group", "commands"),
    [
        ("institution", {"register", "key", "publish", "receipts", "revoke-key"}),
        ("claim", {"list", "show"}),
        ("projection", {"status", "rebuild", "verify"}),
        ("audit", {"replay", "responsible", "reconcile", "evidence"}),
        ("person", {"erase", "withdraw"}),
        ("parked", {"list", "show", "retry", "discard"}),
        ("ledger", {"verify", "checkpoint", "prove", "check", "vkey", "where", "copy"}),
        ("class", {"list", "approve"}),
        ("policy", {"list", "check", "show"}),
        ("day", {"show", "open"}),
    ],
)
def test_each_group_has_the_commands_that_were_promised(
    group: str, commands: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And tells of each in Chinese and English, headings too."""
    assert main([group, "--help"]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"用法 / Usage: zeren {group} ")
    assert "选项 / Options:" in page
    assert "显示本页 / show this page" in page
    shown = page.partition("命令 / Commands:")[2].split("\n")
    assert {line.split()[0] for line in shown if line.startswith("  ") and line[2] != " "} == commands


def test_help_loads_no_command() -> None:
    """`zeren --help` is quick: it imports no client of Kafka, HTTP or a database."""
    script = (
        "import sys; from zeren.cli.entry import main; main(['--help']); "
        "heavy = {'aiokafka', 'confluent_kafka', 'httpx', 'psycopg', 'fastapi'} & set(sys.modules); "
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["token", "--handler", "h-accept-1"],
        ["worklist", "--handler", "h-accept-1"],
        ["claim", "list"],
        ["claim", "show", "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"],
        ["audit", "replay", "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"],
        ["audit", "responsible", "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"],
        ["targets"],
        ["ledger", "verify"],
        ["day", "show"],
        ["day", "open", "--through", "2024-05-14"],
        ["institution", "receipts"],
        ["logs"],
    ],
)
def test_where_nothing_runs_the_exit_code_is_3_and_nothing_is_made(
    state_root: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A look at what was never started leaves no folder behind, and says what to run."""
    assert main(arguments) == 3
    assert "zeren up" in capsys.readouterr().err
    assert not state_root.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["day", "open"],
        ["day", "open", "--through", "soon"],
        ["claim", "show", "not-an-id"],
        ["validate", "no-such-file"],
        ["token"],
        ["ledger", "verify", "--where", "http://elsewhere"],
        ["restore", "no-such-folder"],
    ],
)
def test_a_wrong_call_is_2(state_root: Path, arguments: list[str]) -> None:
    """Also where a choice is missing that only the command knows."""
    assert main(arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "没有命令 'nonsense' / No such command"),
        (["statsu"], "没有命令 'statsu'，是否指 'status'"),
        (["audit", "replya"], "没有命令 'replya'，是否指 'replay'？ / No such command"),
        (["submit", "--kye"], "没有选项 '--kye'，是否指 '--key'？ / No such option"),
        (["status", "--nope"], "没有选项 '--nope' / No such option"),
        (["day", "open"], "缺少选项 '--through'，日期须写作 YYYY-MM-DD，如 2024-05-14 / Missing option"),
        (["claim", "show"], "缺少参数 'CLAIM_ID'，须为 UUID / Missing argument"),
        (["resume", "x"], "的值无效：可选 enrolment、certification、payment、audit / Invalid value"),
        (["resend", "audit", "--from", "0"], "'--from' 的值无效：须为数，不小于 1 / Invalid value"),
        (["validate", "no-such-file"], "'FILE' 的值无效：no-such-file 不存在 / Invalid value"),
        (["validate", "."], "'FILE' 的值无效：. 是目录，不是文件 / Invalid value"),
        (["submit", __file__], "缺少选项 '--key'，须给出一个已存在且可读的文件 / Missing option"),
        (
            ["day", "open", "--through", "soon"],
            "'--through' 的值无效：日期须写作 YYYY-MM-DD，如 2024-05-14 / ",
        ),
        (["day", "open", "--through", "soon"], "'soon' does not match the format 'YYYY-MM-DD'."),
        (["demo", "--seed", "x"], "'--seed' 的值无效：须为整数 / Invalid value"),
        (["logs", "a", "b"], "参数多余或不全 / Got unexpected extra argument"),
        (["token", "--handler"], "选项 '--handler' 缺少其值，或不应有值 / Option '--handler' requires"),
    ],
)
def test_a_wrong_call_is_told_in_chinese_first(
    state_root: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the first line; then how the command is called, where it is known which one was meant."""
    assert main(arguments) == 2
    first, *rest = capsys.readouterr().err.splitlines()
    assert told in first
    assert [line.partition(" / ")[0] for line in rest] in (["用法", "说明"], [])


FACT = "0b6c7e5a-54f4-5a25-8f21-6f1a5be0a001"
EVIDENCE = ["audit", "evidence", "payment", "a" * 64, "--to", "never-written", "--reason"]


@pytest.mark.parametrize(
    ("arguments", "reason", "code"),
    [
        (["audit", "replay", FACT, "--reason"], "", 3),
        (["audit", "replay", FACT, "--reason"], "CASE_REVIEW", 3),
        (["audit", "replay", FACT, "--reason"], "because", 2),
        (["audit", "responsible", FACT, "--reason"], "A" * 33, 2),
        (EVIDENCE, "CASE_REVIEW", 3),
        (EVIDENCE, "", 2),
        (["parked", "discard", FACT, "--reason"], "wrong-region", 3),
        (["parked", "discard", FACT, "--reason"], "", 2),
        (["parked", "discard", FACT, "--reason"], "x" * 65, 2),
    ],
)
def test_a_reason_is_judged_before_anything_is_asked(
    state_root: Path, arguments: list[str], reason: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its form and its bounds; without a stack a sound one ends with 3. Empty means that no names are read."""
    assert main([*arguments, reason]) == code
    assert capsys.readouterr().err.startswith("--reason 须为") == (code == 2)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ledger", "prove", "xyz"], ["FACT 须为事实编号（UUID", "not 'xyz'"]),
        (["ledger", "prove", "²"], ["FACT 须为事实编号（UUID", "not '²'"]),
        (
            [*EVIDENCE[:3], "0db7", *EVIDENCE[4:], "CASE_REVIEW"],
            ["DIGEST 须为 64 位十六进制", "not 4 characters"],
        ),
        ([*EVIDENCE[:3], "g" * 64, *EVIDENCE[4:], "CASE_REVIEW"], ["DIGEST 须为 64 位十六进制"]),
        (["restore", "no-such-folder"], ["没有目录 /", "no-such-folder", "zeren backup FOLDER"]),
    ],
)
def test_an_argument_of_wrong_form_is_told_before_anything_is_asked(
    state_root: Path, arguments: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With what is wanted and where it stands; nothing runs, yet the exit code is that of a wrong call."""
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert all(part in shown for part in told)


@pytest.mark.parametrize(
    "arguments",
    [
        ["ledger", "prove", FACT],
        ["ledger", "prove", FACT.upper()],
        ["ledger", "prove", "17"],
        [*EVIDENCE[:3], "A" * 64, *EVIDENCE[4:], "CASE_REVIEW"],
    ],
)
def test_an_argument_of_right_form_is_asked_about(state_root: Path, arguments: list[str]) -> None:
    """An id or an index, a digest in large letters too: then a running stack is wanted."""
    assert main(arguments) == 3


@pytest.mark.parametrize(
    ("before", "asked", "told"),
    [
        (None, date(2024, 8, 7), "业务日期 2024-08-07 / the business date is 2024-08-07"),
        (date(2024, 8, 6), date(2024, 8, 7), "业务日期 2024-08-07 / the business date is 2024-08-07"),
        (date(2024, 8, 7), date(2024, 8, 7), "2024-08-07 早已开启，未作改动；业务日期 2024-08-07 / "),
        (date(2024, 8, 7), date(2024, 8, 1), "2024-08-01 is open already, nothing changed; it is 2024-08-07"),
    ],
)
def test_a_day_that_is_open_already_is_told_as_such(before: date | None, asked: date, told: str) -> None:
    """The business date never goes back."""
    assert told in opened(before, asked, date(2024, 8, 7))


@pytest.mark.parametrize("command", ["replay", "responsible", "evidence"])
def test_the_help_names_the_form_of_a_reason_and_usual_ones(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both languages; each usual one is a code that the service takes."""
    assert main(["audit", command, "--help"]) == 0
    page = capsys.readouterr().out
    assert all(one in page and is_reason_code(one) for one in ("CASE_REVIEW", "COMPLAINT", "SPOT_CHECK"))
    assert "以字母开头" in "".join(page.split())


def test_codes_are_told_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with both texts; a prefix narrows them."""
    assert main(["codes", "sheet.", "--json"]) == 0
    codes = json.loads(capsys.readouterr().out)["codes"]
    assert {one["code"].split(".")[0] for one in codes} == {"sheet"}
    assert all(one["zh"] and one["en"] for one in codes)


@pytest.mark.parametrize(
    ("prefix", "told"),
    [
        ("shete", "是否指：sheet"),
        ("sheet.hour_wrong", "did you mean: sheet\n"),
        ("policy.unknwon", "did you mean: policy\n"),
        ("ersaure", "是否指：erasure"),
        ("nosuch", "前缀有：action, batch"),
    ],
)
def test_a_prefix_that_no_code_has_is_refused(
    prefix: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With near codes, or with the prefixes that there are; for a machine too."""
    assert main(["codes", prefix]) == main(["codes", prefix, "--json"]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert not shown.out


def test_validate_says_no_by_its_exit_code(
    tmp_path: Path, document: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for a sound file; 1 with line and code for one that a service would refuse, and for an empty one."""
    good = document("CompleteClass", {"class_ref": "K-1"})
    path = tmp_path / "f.jsonl"
    path.write_bytes(good + b"\n")
    assert main(["validate", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True
    path.write_bytes(good + b"\n" + document("CompleteClass", {}) + b"\n")
    assert main(["validate", str(path)]) == 1
    assert f"{path}:2" in capsys.readouterr().out
    path.write_bytes(b"")
    assert main(["validate", str(path)]) == 1


def test_submit_sends_nothing_while_a_line_is_wrong(
    state_root: Path, tmp_path: Path, document: Callable[..., bytes], key: SigningKey
) -> None:
    """It ends with 1 before it looks for a running stack; a sound file then needs one."""
    path = tmp_path / "f.jsonl"
    write_key(tmp_path / "k.jwk", key)
    call = ["submit", str(path), "--key", str(tmp_path / "k.jwk")]
    path.write_bytes(document("CompleteClass", {}))
    assert main(call) == 1
    path.write_bytes(document("CompleteClass", {"class_ref": "K-1"}))
    assert main(call) == 3


def test_policy_packages_are_checked_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The project's own are sound; a wrong file is an answer of no; DEMO marks are shown."""
    assert main(["policy", "check"]) == 0
    (tmp_path / "p.toml").write_text("nonsense = true\n")
    assert main(["policy", "check", "--folder", str(tmp_path)]) == 1
    assert main(["policy", "show", "no-such-package"]) == 1
    capsys.readouterr()
    assert main(["policy", "show", "demo-standards", "--json"]) == 0
    assert "DEMO" in json.loads(capsys.readouterr().out)["marks"][0]
