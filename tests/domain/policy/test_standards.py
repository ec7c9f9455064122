"""Which subsidy standard a claim finds, by date, region and rank, and the trace of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts.trace import DecisionTrace
from shared.policy.book import PackageChanged, PolicyBook
from shared.policy.loading import load_packages
from shared.policy.refusals import NoStandard, UnknownRegion
from shared.policy.standards import ClaimFacts

Rewrite = Callable[[str, str, str], Path]

URGENT_IN_XIAMEN = ClaimFacts(
    kind="TRAINING",
    payee="PERSON",
    region="350200",
    occupation_id="electrician",
    level="5",
    certificate_kind="SKILL_LEVEL",
    certificate_on=date(2024, 6, 1),
    claimed_on=date(2024, 7, 1),
    class_start_on=date(2024, 4, 1),
)


def but(**changes: Any) -> ClaimFacts:
    """The urgent five-level claim in Xiamen, but for this."""
    return msgspec.structs.replace(URGENT_IN_XIAMEN, **changes)


@pytest.mark.parametrize(
    ("facts", "fen"),
    [
        (but(certificate_on=date(2024, 5, 31)), 70_000),
        (but(certificate_on=date(2024, 6, 1)), 84_000),
        (but(level="4"), 120_000),
        (but(level="3"), 180_000),
        (but(level="2"), 240_000),
        (but(level="1"), 360_000),
        (but(level="X", certificate_kind="SPECIAL_ABILITY"), 60_000),
        (but(occupation_id="welder"), 70_000),
        (but(occupation_id="welder", level="X", certificate_kind="SPECIAL_ABILITY"), 50_000),
    ],
)
def test_xiamen_pays_by_level_and_a_fifth_more_for_urgent_occupations(
    book: PolicyBook, facts: ClaimFacts, fen: int
) -> None:
    """Scenario 2: ¥700 for a certificate of 2024-05-31, ¥840 from 2024-06-01, four-level ¥1,000 × 1.2."""
    standard = book.subsidy_standard(facts)
    assert standard.amount_fen == standard.trace.amount_fen == fen


@pytest.mark.parametrize(
    ("certificate_on", "package", "fen"),
    [
        (date(2023, 12, 19), "demo-standards", 70_000),
        (date(2023, 12, 20), "xiamen-2024", 70_000),
        (date(2025, 12, 31), "xiamen-2024", 84_000),
        (date(2026, 1, 1), "demo-standards", 70_000),
    ],
)
def test_a_package_is_in_force_on_its_first_and_last_day_and_not_beside_them(
    book: PolicyBook, certificate_on: date, package: str, fen: int
) -> None:
    """The certificate's date picks, whenever it is claimed."""
    standard = book.subsidy_standard(but(certificate_on=certificate_on, claimed_on=date(2026, 3, 1)))
    assert standard.trace.steps[0].ref is not None
    assert standard.trace.steps[0].ref.package == package
    assert standard.amount_fen == fen


def test_the_city_beats_the_demonstration_and_the_trace_names_the_loser(book: PolicyBook) -> None:
    """City over province over DEMO; what lost stands in `over`."""
    first = book.subsidy_standard(URGENT_IN_XIAMEN).trace.steps[0]
    assert first.ref is not None
    assert first.ref.name == "xiamen-2024@1#level-5"
    assert first.over == ("demo-standards@1#level-5",)


def test_a_province_beats_the_demonstration_and_loses_to_the_city(folder: Path) -> None:
    """A provincial package between the two is the second in the city and the first elsewhere."""
    text = (folder / "demo-standards.toml").read_text(encoding="utf-8")
    for old, new in (
        ('package = "demo-standards"', 'package = "fujian-standards"'),
        ('precedence = "DEMO"', 'precedence = "PROVINCE"'),
        ("demo = true", "demo = false"),
        ("amount_fen = 70000", "amount_fen = 65000"),
    ):
        text = text.replace(old, new)
    (folder / "fujian-standards.toml").write_text(text, encoding="utf-8")
    book = load_packages(folder)
    assert book.subsidy_standard(URGENT_IN_XIAMEN).trace.steps[0].over == (
        "fujian-standards@1#level-5",
        "demo-standards@1#level-5",
    )
    elsewhere = book.subsidy_standard(but(region="350128"))
    assert elsewhere.amount_fen == 65_000
    assert elsewhere.trace.steps[0].over == ("demo-standards@1#level-5",)


def test_an_institution_in_xiamen_is_paid_by_the_demonstration_standard(book: PolicyBook) -> None:
    """见证补 goes to the person; no uplift is carried over from another package."""
    standard = book.subsidy_standard(but(payee="INSTITUTION"))
    assert standard.amount_fen == 70_000
    assert standard.trace.demo


def test_an_amount_that_rests_on_an_invented_list_is_marked_demo(book: PolicyBook) -> None:
    """The city's own figure is unverified, not DEMO, until the invented list lifts it."""
    assert book.subsidy_standard(URGENT_IN_XIAMEN).trace.demo
    plain = book.subsidy_standard(but(certificate_on=date(2024, 5, 31))).trace
    assert not plain.demo
    assert not plain.verified


@pytest.mark.parametrize(
    "facts",
    [
        but(certificate_on=date(2022, 12, 31)),
        but(certificate_on=None),
        but(kind="ASSESSMENT"),
        but(kind="LIVING_ALLOWANCE"),
        but(certificate_kind="COMPLETION"),
        but(level="X"),
    ],
)
def test_where_no_standard_is_in_force_the_claim_is_refused_with_a_trace(
    book: PolicyBook, facts: ClaimFacts
) -> None:
    """No package answers, so no amount is made up; the refusal carries what was asked."""
    with pytest.raises(NoStandard) as refusal:
        book.subsidy_standard(facts)
    assert refusal.value.code == "policy.no_standard"
    assert refusal.value.trace.result == "NO_STANDARD"
    assert refusal.value.trace.amount_fen is None
    assert refusal.value.trace.steps[0].inputs["kind"] == facts.kind


def test_a_region_without_an_authority_is_refused(book: PolicyBook) -> None:
    """Another province's claims are not paid by Fujian's demonstration."""
    with pytest.raises(UnknownRegion):
        book.subsidy_standard(but(region="440300"))


def test_the_packages_basis_picks_the_date(rewrite: Rewrite) -> None:
    """By class start instead of certificate date, the same claim finds no uplift."""
    text = 'reference_date_basis = "CERTIFICATE_DATE"'
    book = load_packages(rewrite("xiamen-2024.toml", text, 'reference_date_basis = "CLASS_START"'))
    standard = book.subsidy_standard(URGENT_IN_XIAMEN)
    assert standard.amount_fen == 70_000
    assert standard.trace.steps[0].inputs["class_start_on"] == "2024-04-01"


def test_without_the_list_in_force_no_uplift_is_given_and_the_trace_says_so(rewrite: Rewrite) -> None:
    """The list ends before the package; the trace shows that none was found."""
    book = load_packages(rewrite("demo-urgent.toml", "2025-12-31", "2024-12-31"))
    standard = book.subsidy_standard(but(certificate_on=date(2025, 1, 1)))
    assert standard.amount_fen == 70_000
    assert [step.result for step in standard.trace.steps] == ["FOUND", "NO_LIST"]


def test_the_same_facts_and_packages_give_the_same_bytes(book: PolicyBook, folder: Path) -> None:
    """Scenario 13: determinism, from another load of the same files, and through a round trip."""
    again = load_packages(folder)
    for facts in (URGENT_IN_XIAMEN, but(region="350100"), but(occupation_id="welder")):
        encoded = msgspec.json.encode(book.subsidy_standard(facts).trace)
        assert encoded == msgspec.json.encode(again.subsidy_standard(facts).trace)
        assert encoded == msgspec.json.encode(msgspec.json.decode(encoded, type=DecisionTrace))


def test_the_traces_bytes_are_these(book: PolicyBook) -> None:
    """The short keys are permanent: facts hold them for ever."""
    xiamen, urgent = book.package("xiamen-2024").sha256, book.package("demo-urgent").sha256
    assert msgspec.json.encode(book.subsidy_standard(URGENT_IN_XIAMEN).trace).decode() == (
        '{"result":"STANDARD","fen":84000,"steps":['
        '{"r":"standard","p":{"p":"xiamen-2024","v":1,"h":"' + xiamen + '","e":"level-5"},'
        '"i":{"kind":"TRAINING","payee":"PERSON","region":"350200","occupation":"electrician","level":"5",'
        '"certificate":"SKILL_LEVEL","certificate_on":"2024-06-01"},'
        '"o":"FOUND","fen":70000,"over":["demo-standards@1#level-5"]},'
        '{"r":"list","p":{"p":"demo-urgent","v":1,"h":"' + urgent + '","e":"urgent/electrician","demo":true},'
        '"o":"LISTED"},'
        '{"r":"uplift","p":{"p":"xiamen-2024","v":1,"e":"urgent"},'
        '"i":{"permille":200,"rounding":"HALF_UP"},"o":"ADDED","fen":84000}]}'
    )


def test_a_later_version_leaves_the_old_decision_as_it_was(
    book: PolicyBook, folder: Path, rewrite: Rewrite
) -> None:
    """Scenario 13: next year's amounts decide new claims; the old claim replays to the same bytes."""
    old = {f: book.subsidy_standard(f).trace for f in (URGENT_IN_XIAMEN, but(occupation_id="welder"))}
    second = (folder / "xiamen-2024.toml").read_text(encoding="utf-8").replace("version = 1", "version = 2")
    (folder / "xiamen-2024@2.toml").write_text(second, encoding="utf-8")
    rewrite("xiamen-2024@2.toml", "amount_fen = 70000", "amount_fen = 99000")
    later = load_packages(folder)
    for facts, trace in old.items():
        assert later.subsidy_standard(facts).trace != trace
        replayed = later.pinned(trace).subsidy_standard(facts).trace
        assert msgspec.json.encode(replayed) == msgspec.json.encode(trace)


def test_a_version_for_later_dates_leaves_earlier_certificates_to_the_first(
    folder: Path, rewrite: Rewrite
) -> None:
    """Two versions, each for its own dates, without pinning anything."""
    second = (folder / "xiamen-2024.toml").read_text(encoding="utf-8")
    for was, becomes in (
        ("version = 1", "version = 2"),
        ("effective_from = 2023-12-20", "effective_from = 2025-01-01"),
        ("effective_from = 2024-06-01", "effective_from = 2025-01-01"),
        ("amount_fen = 70000", "amount_fen = 99000"),
    ):
        assert was in second
        second = second.replace(was, becomes)
    (folder / "xiamen-2024@2.toml").write_text(second, encoding="utf-8")
    book = load_packages(folder)
    assert book.subsidy_standard(but(certificate_on=date(2024, 12, 31))).amount_fen == 84_000
    assert book.subsidy_standard(but(certificate_on=date(2025, 1, 1))).amount_fen == 118_800


def test_a_later_version_in_force_replaces_the_earlier_one_whole(folder: Path) -> None:
    """An entry or a listed occupation that a correction leaves out is gone."""
    for file, entry in (("xiamen-2024", "[[standards]] # 专项"), ("demo-urgent", "[[listed]] # 电工")):
        text = (folder / f"{file}.toml").read_text(encoding="utf-8").replace("version = 1", "version = 2")
        head, _, tail = text.partition(entry)
        assert tail
        rest = tail[tail.index("\n[[") :] if "\n[[" in tail else "\n"
        (folder / f"{file}@2.toml").write_text(head + rest, encoding="utf-8")
    book = load_packages(folder)
    special = but(level="X", certificate_kind="SPECIAL_ABILITY")
    assert book.subsidy_standard(special).trace.steps[0].ref == book.package("demo-standards").ref("level-x")
    assert [step.result for step in book.subsidy_standard(URGENT_IN_XIAMEN).trace.steps] == [
        "FOUND",
        "NOT_LISTED",
    ]


def test_a_refusal_replays_though_a_standard_came_later(book: PolicyBook, rewrite: Rewrite) -> None:
    """No package answered then, so none may answer in the replay."""
    facts = but(certificate_on=date(2022, 12, 31))
    with pytest.raises(NoStandard) as refused:
        book.subsidy_standard(facts)
    later = load_packages(
        rewrite("demo-standards.toml", "effective_from = 2023-01-01", "effective_from = 2022-01-01")
    )
    assert later.subsidy_standard(facts).amount_fen == 70_000
    with pytest.raises(NoStandard) as replayed:
        later.pinned(refused.value.trace).subsidy_standard(facts)
    assert replayed.value.trace == refused.value.trace


def test_a_changed_file_cannot_replay_a_decision(book: PolicyBook, folder: Path, rewrite: Rewrite) -> None:
    """An approved version never changes: other bytes under the same name are found out."""
    trace = book.subsidy_standard(URGENT_IN_XIAMEN).trace
    changed = load_packages(rewrite("xiamen-2024.toml", "amount_fen = 70000", "amount_fen = 70001"))
    with pytest.raises(PackageChanged, match=r"xiamen-2024\.toml"):
        changed.pinned(trace)


def test_a_missing_file_cannot_replay_a_decision(book: PolicyBook, folder: Path) -> None:
    """What lost must be there too, or the trace would come out shorter."""
    trace = book.subsidy_standard(but(certificate_on=date(2024, 5, 31))).trace
    (folder / "demo-standards.toml").unlink()
    with pytest.raises(PackageChanged, match="demo-standards@1"):
        load_packages(folder).pinned(trace)


def test_a_trace_names_a_packages_digest_once(book: PolicyBook) -> None:
    """Bytes are spared; every package still stands with its digest."""
    refs = list(book.subsidy_standard(URGENT_IN_XIAMEN).trace.refs)
    assert [bool(ref.sha256) for ref in refs] == [True, True, False]
    assert {ref.package for ref in refs if ref.sha256} == {"xiamen-2024", "demo-urgent"}


def test_a_trace_stays_small(book: PolicyBook) -> None:
    """A fact aims at 1 kB: the longest trace of the shipped packages leaves it room."""
    longest = msgspec.json.encode(book.subsidy_standard(URGENT_IN_XIAMEN).trace)
    plain = msgspec.json.encode(book.subsidy_standard(but(region="350100")).trace)
    assert len(longest) <= 700
    assert len(plain) <= 400
