"""A package that can't be used is refused, naming the file, the entry, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.policy.loading import check_folder, load_packages
from shared.policy.refusals import PolicyPackageError

Rewrite = Callable[[str, str, str], Path]

SPOILT = [
    # file, text, its replacement, where it is reported, words of the message
    ("xiamen-2024.toml", "version = 1", "version = 1\nauthor = 'x'", "", "unknown field `author`"),
    ("xiamen-2024.toml", "amount_fen = 70000", "amount_yuan = 700", "standards[0]", "unknown field"),
    (
        "xiamen-2024.toml",
        "amount_fen = 70000",
        "amount_fen = 700.5",
        "standards[0].amount_fen",
        "got `float`",
    ),
    ("xiamen-2024.toml", "amount_fen = 70000", "amount_fen = 0", "standards[0].amount_fen", ">= 1"),
    ("xiamen-2024.toml", "amount_fen = 70000\n", "", "standards[0]", "missing required field `amount_fen`"),
    ("xiamen-2024.toml", 'level = "4"', 'level = "6"', "standards[1].level", "Invalid enum value '6'"),
    ("xiamen-2024.toml", "2023-12-20", '"2023-12-20"', "effective_from", "got `str`"),
    ("xiamen-2024.toml", "[document]", "[document", "", "不是合格的 TOML"),
    ("xiamen-2024.toml", "version = 1", "version = 1\nversion = 1", "", "不是合格的 TOML"),
    ("xiamen-2024.toml", "2025-12-31", "2023-12-19", "effective_to", "起止颠倒"),
    ("xiamen-2024.toml", "2024-06-01\n", "2026-01-01\n", "uplifts[urgent]", "生效期超出本包"),
    (
        "xiamen-2024.toml",
        "effective_from = 2024-06-01",
        "effective_from = 2024-06-01\neffective_to = 2024-05-31",
        "uplifts[urgent]",
        "起止颠倒",
    ),
    ("xiamen-2024.toml", 'level = "4"', 'level = "5"', "standards[level-4]", "重叠"),
    ("xiamen-2024.toml", 'id = "level-4"', 'id = "level-5"', "standards/uplifts[level-5]", "重复 2 次"),
    ("xiamen-2024.toml", '["SPECIAL_ABILITY"]', '["SKILL_LEVEL"]', "standards[level-x]", "等级与证书种类"),
    ("xiamen-2024.toml", 'payees = ["PERSON"]', "payees = []", "standards[level-5]", "收款人不符"),
    ("xiamen-2024.toml", 'region = "350200"', 'region = "350000"', "region", "不符"),
    ("xiamen-2024.toml", 'region = "350200"', 'region = "350201"', "region", "没有的 350201"),
    ("xiamen-2024.toml", "verified = false", "verified = true", "verified", "不得标为已核实"),
    ("xiamen-2024.toml", 'reference_date_basis = "CERTIFICATE_DATE"\n', "", "reference_date_basis", "缺少"),
    ("xiamen-2024.toml", 'kinds = ["subsidy_standard"]', 'kinds = ["target"]', "kinds", "kinds 与内容不符"),
    ("xiamen-2024.toml", 'list_id = "urgent"', 'list_id = "key"', "uplifts[urgent]", "没有的 key"),
    ("xiamen-2024.toml", '"xiamen-2024"', '"xiamen-2025"', "package", "文件名与包名"),
    ("xiamen-2024.toml", "version = 1", "version = 2", "package", "xiamen-2024@2.toml"),
    ("demo-standards.toml", "demo = true", "demo = false", "demo", "demo 与 precedence 不一致"),
    ("demo-standards.toml", "verified = false", "verified = true", "verified", "不得标为已核实"),
    ("demo-urgent.toml", '"electrician"', '"astronaut"', "listed", "没有的 astronaut"),
    ("demo-urgent.toml", '"electrician"', '"elder-carer"', "listed[urgent elder-carer]", "重复 2 次"),
    ("fujian-2024.toml", "count = 500 }", "count = 501 }", "targets[2024]", "各地区之和 50001"),
    ("fujian-2024.toml", "total = 50000", "total = 50001", "targets[2024]", "不等于合计 50001"),
    (
        "fujian-2024.toml",
        '"350128", count',
        '"350100", count',
        "targets[2024][350100]",
        "重复 2 次",
    ),
    ("fujian-2024.toml", '"350128", count', '"350129", count', "targets[2024]", "没有的 350129"),
    ("fujian-2024.toml", 'code = "350128"', 'code = "350100"', "regions[350100]", "重复 2 次"),
    ("fujian-2024.toml", '["TRAINING", "SKILL_UPGRADE"]', "[]", "no_repeat", "为空或重复"),
    ("fujian-2024.toml", "issued_on = 2024-03-08", "issued = 2024-03-08", "document", "unknown field"),
    ("demo-procedure.toml", "age_below = 60", "age_below = 16", "procedure.age_below", "年龄上限"),
    ("demo-procedure.toml", '["FIRST_REVIEW"]', "[]", "procedure.review_stages", "为空或重复"),
    (
        "demo-procedure.toml",
        "attendance_permille = 800",
        "attendance_permille = 1001",
        "procedure.attendance_permille",
        "<= 1000",
    ),
    ("occupations-2022.toml", 'code = "4-10-01-05"', 'code = "4-10-01-06"', "", "重复 2 次"),
    ("occupations-2022.toml", 'code = "4-10-01-05"', 'code = "4100105"', "aliases[1].code", "regex"),
    (
        "occupations-2022.toml",
        'occupation_id = "welder"',
        'occupation_id = "welding"',
        "",
        "没有职业 welding",
    ),
    ("calendar-2024.toml", "2024-02-04,", "2024-02-05,", "calendar.worked", "2024-02-05 不属于此列"),
    ("calendar-2024.toml", "2024-01-01,", "2024-01-06,", "calendar.off", "2024-01-06 不属于此列"),
    ("calendar-2024.toml", "2024-01-01,", "2025-01-01,", "calendar.off", "2025-01-01 不属于此列"),
    ("calendar-2024.toml", "2024-04-04,", "2024-04-05,", "calendar[2024-04-05]", "重复 2 次"),
    ("calendar-2024.toml", "year = 2024", "year = 2023", "calendar.year", "全年"),
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=lambda spoilt: f"{spoilt[0]} {spoilt[4]}")
def test_a_spoilt_package_stops_the_start_and_says_where(
    rewrite: Rewrite, spoilt: tuple[str, str, str, str, str]
) -> None:
    """Each single mistake is found, in Chinese and English, with the file, the entry and the remedy."""
    file, old, new, entry, words = spoilt
    folder = rewrite(file, old, new)
    with pytest.raises(PolicyPackageError) as raised:
        load_packages(folder)
    problems = check_folder(folder)
    assert str(raised.value) == str(problems[0])
    assert any(p.file == file and entry in p.entry and words in str(p) for p in problems)
    for problem in problems:
        assert str(problem).startswith(problem.file)
        assert all(" / " in text for text in (problem.problem, problem.remedy))


def test_one_level_may_have_two_standards_on_different_days(rewrite: Rewrite) -> None:
    """Overlap is judged by dates: a change of amount within the package is no clash."""
    rewrite("xiamen-2024.toml", "amount_fen = 70000", "amount_fen = 70000\neffective_to = 2024-12-31")
    folder = rewrite(
        "xiamen-2024.toml",
        'id = "level-4"\nkind = "TRAINING"\npayees = ["PERSON"]\nlevel = "4"',
        'id = "level-5-later"\neffective_from = 2025-01-01\nkind = "TRAINING"\n'
        'payees = ["PERSON"]\nlevel = "5"',
    )
    assert check_folder(folder) == ()


def test_two_packages_of_equal_rank_may_not_both_answer(folder: Path) -> None:
    """Nothing would decide between them."""
    text = (folder / "xiamen-2024.toml").read_text(encoding="utf-8")
    (folder / "xiamen-too.toml").write_text(text.replace('"xiamen-2024"', '"xiamen-too"'), encoding="utf-8")
    rivals = check_folder(folder)
    assert {error.entry for error in rivals} == {f"standards[level-{level}]" for level in "54321x"}
    assert all(error.file == "xiamen-too.toml" and "同级同期并存" in str(error) for error in rivals)


def test_two_packages_of_equal_rank_may_follow_each_other(folder: Path) -> None:
    """The old one ends on the day before the new one begins."""
    text = (folder / "xiamen-2024.toml").read_text(encoding="utf-8")
    text = text.replace('"xiamen-2024"', '"xiamen-2026"').replace("2023-12-20", "2026-01-01")
    text = text.replace("2025-12-31", "2026-12-31").replace("2024-06-01", "2026-01-01")
    (folder / "xiamen-2026.toml").write_text(text, encoding="utf-8")
    assert check_folder(folder) == ()


@pytest.mark.parametrize(
    ("file", "copy", "entry"),
    [
        ("calendar-2024.toml", "calendar-too.toml", "calendar[2024]"),
        ("demo-procedure.toml", "procedure-too.toml", "procedure"),
        ("occupations-2022.toml", "occupations-too.toml", "occupations[welder]"),
        ("fujian-2024.toml", "fujian-too.toml", "targets[2024]"),
    ],
)
def test_one_thing_stands_in_one_package(folder: Path, file: str, copy: str, entry: str) -> None:
    """A second package with the same year, rule or occupation is refused."""
    text = (folder / file).read_text(encoding="utf-8")
    mine, theirs = (f'package = "{name.removesuffix(".toml")}"' for name in (file, copy))
    (folder / copy).write_text(text.replace(mine, theirs), encoding="utf-8")
    assert entry in {error.entry for error in check_folder(folder)}


def test_a_version_stands_once(folder: Path) -> None:
    """Two files of one package and version can't both be the approved one."""
    text = (folder / "xiamen-2024.toml").read_text(encoding="utf-8")
    (folder / "xiamen-2024@1.toml").write_text(text + "\n", encoding="utf-8")
    assert [error.entry for error in check_folder(folder)] == ["version"]


def test_a_later_version_keeps_its_packages_nature(folder: Path) -> None:
    """A version for another region would silently take the rule away from the first."""
    text = (folder / "xiamen-2024.toml").read_text(encoding="utf-8").replace("version = 1", "version = 2")
    (folder / "xiamen-2024@2.toml").write_text(text.replace('"350200"', '"350100"'), encoding="utf-8")
    assert [(error.file, error.entry) for error in check_folder(folder)] == [
        ("xiamen-2024@2.toml", "version")
    ]


def test_all_mistakes_of_a_folder_are_listed_together(rewrite: Rewrite) -> None:
    """`zeren policy check` shows them all; the start stops at the first."""
    rewrite("demo-procedure.toml", "age_below = 60", "age_below = 16")
    folder = rewrite("fujian-2024.toml", "total = 50000", "total = 1")
    assert [error.file for error in check_folder(folder)] == ["demo-procedure.toml", "fujian-2024.toml"]


def test_a_folder_without_packages_is_no_policy(tmp_path: Path) -> None:
    """An empty or misspelt folder must not start a service that then refuses everyone."""
    with pytest.raises(PolicyPackageError, match="没有政策包"):
        load_packages(tmp_path)
    with pytest.raises(PolicyPackageError, match="没有政策包"):
        load_packages(tmp_path / "nowhere")


def test_a_file_that_is_not_utf8_is_refused(folder: Path) -> None:
    """GBK, as offices still save it."""
    (folder / "gbk.toml").write_bytes('title_zh = "厦门"'.encode("gbk"))
    assert [error.file for error in check_folder(folder)] == ["gbk.toml"]
