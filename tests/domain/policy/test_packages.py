"""The shipped packages say what the notice says, and mark what it does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.policy.book import PolicyBook
from shared.policy.describe import DEMO_MARK, UNVERIFIED_MARK, differences, entry_rows, package_rows
from shared.policy.loading import check_folder, load_packages
from shared.policy.refusals import NoTargets, UnknownOccupation, UnknownRegion

Rewrite = Callable[[str, str, str], Path]

NOTICE_TABLE = {
    "350100": 12_500,
    "350200": 5_000,
    "350600": 5_000,
    "350500": 10_000,
    "350400": 3_000,
    "350300": 2_000,
    "350700": 3_000,
    "350800": 5_000,
    "350900": 4_000,
    "350128": 500,
}


def test_every_shipped_package_loads_and_nothing_is_wrong(book: PolicyBook, shipped: Path) -> None:
    """The folder holds the nine packages of the first release, one a file."""
    assert check_folder(shipped) == ()
    assert {package.id for package in book.packages()} == {
        "calendar-2024",
        "calendar-2025",
        "calendar-2026",
        "demo-procedure",
        "demo-standards",
        "demo-urgent",
        "fujian-2024",
        "occupations-2022",
        "xiamen-2024",
    }


def test_a_package_is_known_by_the_digest_of_its_files_bytes(book: PolicyBook, shipped: Path) -> None:
    """SHA-256 over the file as it lies there."""
    for package in book.packages():
        assert package.sha256 == hashlib.sha256((shipped / package.file).read_bytes()).hexdigest()


def test_the_notices_table_sums_to_fifty_thousand_person_times(book: PolicyBook) -> None:
    """Scenario 1: ten rows, Σ = 50,000, 平潭 a row of its own, in the notice's order."""
    targets = book.targets(2024)
    assert targets.by_region == NOTICE_TABLE
    assert list(targets.by_region) == list(NOTICE_TABLE)
    assert sum(targets.by_region.values()) == targets.total == 50_000
    assert targets.counting_event == "TrainingCompleted"
    assert targets.ref.verified


def test_a_year_without_targets_is_refused(book: PolicyBook) -> None:
    """Nothing is carried over from another year."""
    with pytest.raises(NoTargets):
        book.targets(2025)


def test_pingtan_is_never_counted_to_fuzhou(book: PolicyBook) -> None:
    """Scenario 1: 350128 lies inside 3501, and the longest prefix wins."""
    assert book.region("350128").zh == "平潭"
    assert book.region("350128001000").zh == "平潭"
    assert book.region("350102").zh == "福州市"
    assert book.region("350129").code == "350100"
    assert {region.code for region in book.regions()} == set(NOTICE_TABLE)


def test_pingtan_is_served_by_two_authorities(book: PolicyBook) -> None:
    """The notice addresses 平潭's two offices, the cities' one each."""
    assert len(book.region("350128").authorities) == 2
    assert all(len(r.authorities) == 1 for r in book.regions() if r.code != "350128")


@pytest.mark.parametrize("code", ["350000", "360100", "3", ""])
def test_a_code_outside_the_ten_regions_is_refused(book: PolicyBook, code: str) -> None:
    """The province itself answers for no class, nor does another province."""
    with pytest.raises(UnknownRegion):
        book.region(code)


def test_five_kinds_of_person_may_draw_the_living_allowance(book: PolicyBook) -> None:
    """人社厅发〔2023〕55号 三（九）: three of migrant workers and two of school leavers."""
    opened = {code.code for code in book.codes("group") if "LIVING_ALLOWANCE" in code.opens}
    assert opened == {
        "OUT_OF_POVERTY",
        "HARD_TO_EMPLOY",
        "ZERO_EMPLOYMENT_FAMILY",
        "RURAL_SCHOOL_LEAVER",
        "URBAN_LOW_INCOME_SCHOOL_LEAVER",
    }


def test_a_code_names_an_occupation_only_within_its_edition(book: PolicyBook) -> None:
    """4-02-07-10 was 网约配送员 in 2020 and is 国际快递业务师 in 2022."""
    assert book.occupation_by_code("2020", "4-02-07-10").zh == "网约配送员"
    assert book.occupation_by_code("2022", "4-02-07-10").zh == "国际快递业务师"
    assert book.occupation_by_code("2022", "4-10-08-01").id == "food-delivery"
    assert book.occupation("food-delivery") == book.occupation_by_code("2020", "4-02-07-10")


def test_the_nursery_carer_of_the_notice_has_no_code_in_2022(book: PolicyBook) -> None:
    """育婴员 is named in the notice, coded in 2015, and 4-10-01-02 is vacant in 2022."""
    assert book.occupation_by_code("2015", "4-10-01-02").zh == "育婴员"
    with pytest.raises(UnknownOccupation):
        book.occupation_by_code("2022", "4-10-01-02")
    with pytest.raises(UnknownOccupation):
        book.occupation("astronaut")


def test_every_invented_figure_is_marked_demo_and_every_unread_one_unverified(book: PolicyBook) -> None:
    """The marks that people must see stand on the rows they are shown."""
    marks = {row.name: row.marks for row in package_rows(book)}
    assert marks["demo-standards@1"] == marks["demo-urgent@1"] == marks["demo-procedure@1"] == (DEMO_MARK,)
    assert marks["xiamen-2024@1"] == (UNVERIFIED_MARK,)
    assert marks["fujian-2024@1"] == marks["calendar-2024@1"] == marks["occupations-2022@1"] == ()
    rows = {row.entry: row.marks for row in entry_rows(book.package("fujian-2024"))}
    assert rows["counting_event"] == (UNVERIFIED_MARK,)
    assert rows["targets[2024]"] == ()
    aliases = {row.entry: row.marks for row in entry_rows(book.package("occupations-2022"))}
    assert aliases["aliases[2020 4-02-07-10]"] == (UNVERIFIED_MARK,)
    assert aliases["aliases[2022 4-02-07-10]"] == ()
    assert all(row.marks == (DEMO_MARK,) for row in entry_rows(book.package("demo-procedure")))


def test_an_unknown_document_number_is_absent(book: PolicyBook) -> None:
    """No number was found for Xiamen's standard, and demo packages have none."""
    numbers = {package.id: package.content.document.no for package in book.packages()}
    assert numbers["fujian-2024"] == "闽人社办〔2024〕40号"
    assert {name for name, no in numbers.items() if no is None} == {
        "demo-procedure",
        "demo-standards",
        "demo-urgent",
        "occupations-2022",
        "xiamen-2024",
    }


def test_every_entry_has_a_citation_and_both_languages(book: PolicyBook) -> None:
    """A figure without a source can't be explained to the person it refuses."""
    for package in book.packages():
        assert entry_rows(package)
        for row in entry_rows(package):
            assert all((row.citation, row.zh, row.en))


def test_two_versions_are_compared_entry_by_entry(folder: Path, rewrite: Rewrite) -> None:
    """Only what changed is shown, with both sides."""
    second = (folder / "xiamen-2024.toml").read_text(encoding="utf-8").replace("version = 1", "version = 2")
    (folder / "xiamen-2024@2.toml").write_text(second, encoding="utf-8")
    rewrite("xiamen-2024@2.toml", "amount_fen = 70000", "amount_fen = 75000")
    book = load_packages(folder)
    changed = differences(book.package("xiamen-2024", 1), book.package("xiamen-2024", 2))
    assert [difference.entry for difference in changed] == ["standards[level-5]"]
    before, after = changed[0].before, changed[0].after
    assert before is not None
    assert after is not None
    assert before.zh.endswith("¥700.00")
    assert after.zh.endswith("¥750.00")
    assert differences(book.package("xiamen-2024", 1), book.package("xiamen-2024", 1)) == ()
