"""The report: every target with a figure or without, one page that stands alone."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

from bench import targets
from bench.charts import bars, lines, short
from bench.demo import Demo
from bench.growth import Growth, Mark
from bench.latency import Latency
from bench.ledger import Ledger
from bench.measured import Measured
from bench.page import page
from bench.raw import COPY, KAFKA, HopRun, as_raw
from bench.rebuild import Model, Rebuilds
from bench.replay import Replay
from bench.report import as_answer
from bench.stock_path import Stock
from bench.throughput import Throughput

MACHINE = {
    "cpu": "<some> processor", "cores": 2, "memory_gib": 24.0, "system": "Linux", "python": "3.11",
    "postgresql": "18.6", "kafka": "4.3.1", "fsync_ms": 0.1, "load_average": 0.0,
}  # fmt: skip
POINTS = {"p50": 30.0, "p90": 60.0, "p99": 140.0, "p99.9": 180.0, "max": 200.0}


def answer(**parts: Any) -> dict[str, Any]:
    return {**as_answer(Measured(MACHINE, {})), **parts}


def run(**changed: Any) -> dict[str, Any]:
    return {
        "name": "warm", "facts_per_s": 25_000.0, "facts": 300_250, "start_per_s": 26_000.0, "end_per_s": 24_000.0,
        "wrong": [], "profiled": [], "seconds": 12.0, "cores_busy": 1.9, "cpu_whole_per_100k": 7.0,
        "facts_in_store": 600_500, "parked": 0, "curve": [(0.0, 0), (12.0, 300_250)],
        "cpu_per_100k": {"audit": 1.0, "load": 0.2}, "sessions_per_100k": {"audit → audit": 0.5}, **changed,
    }  # fmt: skip


def row(found: dict[str, Any], en: str) -> targets.Row:
    return next(one for one in targets.rows(found) if one.en.startswith(en))


def test_nothing_measured_is_neither_pass_nor_short() -> None:
    """Every target has its row all the same."""
    rows = list(targets.rows(answer()))
    assert len(rows) == len(targets.GOALS)
    assert {(one.figure, one.passed) for one in rows} == {(None, None)}
    assert {one.verdict for one in rows} == {"未测 / not measured"}


def test_a_figure_is_held_against_its_target() -> None:
    """At least, or at most."""
    found = answer(
        throughput=[run()], ratio_stock=69.9, ratio_raw=0.4, peak_rss_mb={"audit": 251.0, "kafka": 500.0}
    )
    assert row(found, "signed submissions").passed is True
    assert row(found, "the same ÷ stock").passed is False
    assert row(found, "the same ÷ raw").passed is True
    assert row(found, "memory").figure == 251.0
    assert row(found, "memory").passed is False


def test_a_short_or_unchecked_run_is_no_figure() -> None:
    """Fast over 20,000 facts, or with a check that found something, is not the target's condition."""
    for changed in ({"facts": 20_417}, {"wrong": ["ledger"]}, {"profiled": ["audit"]}):
        found = row(answer(throughput=[run(**changed)]), "signed submissions")
        assert found.figure == 25_000.0
        assert found.passed is None
        assert found.verdict.endswith("conditions not met")


def test_latency_counts_at_the_full_rate_alone() -> None:
    """Two hundred sheets a second."""
    latency = {
        "rate": 200.0, "seconds": 30.0, "receipt": POINTS, "projected": POINTS, "cores": {"whole": 1.5}, "wrong": [],
    }  # fmt: skip
    assert row(answer(latency=latency), "submission → receipt").passed is True
    assert row(answer(latency={**latency, "rate": 50.0}), "submission → receipt").passed is None


def test_a_year_is_reckoned_until_it_was_measured() -> None:
    """From the rate of the last run, or from the growth where it was long enough."""
    assert row(answer(throughput=[run()]), "a province").figure == 60.0
    growth = {"seconds_of": [(1_000_000, 40.0), (1_000_000, 60.0)], "wrong": [], "ratio": None, "marks": []}
    assert row(answer(throughput=[run()], growth=growth), "a province").figure == 75.0


def throughput(name: str, per_s: float) -> Throughput:
    return Throughput(
        name=name, facts=300_250, facts_by_service={}, bytes_per_fact=900.0, submissions=23_000, seconds=12.0,
        seconds_to_last_receipt=11.9, facts_per_s=per_s, start_per_s=per_s, end_per_s=per_s, cores_busy=1.9,
        cpu_per_100k={"audit": 1.0, "load": 0.2}, cpu_whole_per_100k=7.0, sessions_per_100k={"walwriter": 0.1},
        peak_rss_mb={"audit": 180.0}, facts_in_store=600_500, parked=0, curve=[(0.0, 0), (12.0, 300_250)],
    )  # fmt: skip


def everything() -> Measured:
    replay = Replay(facts_in_store=3_000_000, claims=200, facts=60.0, ms=POINTS)
    marks = [
        Mark(
            facts=facts, over=100_000, facts_per_s=per_s, cpu_whole_per_100k=7.0, cpu_per_100k={},
            memory={"audit": {"now": 150.0, "peak": 180.0}}, replay=replay,
        )
        for facts, per_s in ((400_000, 25_000.0), (3_000_000, 23_000.0))
    ]  # fmt: skip
    return Measured(
        MACHINE,
        {},
        runs=[throughput("fresh", 20_000.0), throughput("warm", 25_000.0)],
        raw=as_raw([hop_run(KAFKA, 120_000.0), hop_run(COPY, 50_000.0)], 900.0),
        stock=Stock(
            facts=8_407, submissions=644, seconds=33.6, facts_per_s=250.0, cpu_per_100k={"postgres": 90.0},
            cpu_whole_per_100k=600.0, peak_rss_mb={"stock-audit": 90.0},
        ),
        latency=Latency(
            rate=200.0, sheets=6_000, facts=192_000, seconds=30.0, receipt=POINTS, projected=POINTS,
            ledgered=POINTS, audited=POINTS, send_late=POINTS, cores={"whole": 1.2}, look_ms=6.0,
        ),
        growth=Growth(marks=marks),
        ledger=Ledger(
            leaves=3_000_000, append_per_s=70_000.0, append_seconds=43.0, append_cpu_per_100k={}, append_rss_mb=200.0,
            check_per_s=600_000.0, check_http_per_s=50_000.0, inclusion_proof_ms=POINTS, dossier_facts=50,
            dossier_ms=POINTS,
        ),
        rebuild=Rebuilds([Model("enrolment", "classes_by_state", 2_400_000, 12.0, 200_000.0)], []),
        replay=replay,
        demo=Demo(55.0, 0),
        peak_rss_mb={"audit": 190.0, "kafka": 500.0},
    )  # fmt: skip


def hop_run(path: str, per_s: float) -> HopRun:
    return HopRun(
        path=path, batch=4_000, facts=300_250, seconds=6.0, facts_per_s=per_s, cpu_per_100k={"kafka": 0.4}
    )


def test_the_report_has_the_figures_under_their_names() -> None:
    """Fresh and warm; ratios of the last run; the slower raw path."""
    found = as_answer(everything())
    assert found["end_to_end"] == {
        "facts_per_s": 25_000.0, "run": "warm", "valid": True, "fresh_facts_per_s": 20_000.0,
        "warm_facts_per_s": 25_000.0,
    }  # fmt: skip
    assert (found["ratio_stock"], found["ratio_raw"]) == (100.0, 0.5)
    assert found["latency_ms"]["receipt"]["p99"] == found["latency_ms"]["projected"]["p99"] == 140.0
    assert found["peak_rss_mb"]["audit"] == 190.0
    assert found["cpu_s_per_100k"]["whole"] == 7.0
    assert found["growth"]["ratio"] == 0.92
    assert found["wrong"] == []
    assert json.loads(json.dumps(found))["ledger"]["append_per_s"] == 70_000.0


def test_every_part_has_its_place_on_the_page() -> None:
    """Headings of all of them, and a chart of each that has one."""
    text = page(as_answer(everything()))
    for heading in (
        "Numbers to reach",
        "End to end",
        "raw limit",
        "Open-loop",
        "Growth",
        "Ledger",
        "rebuild",
        "Replay",
    ):
        assert heading in text
    reader = _Reader()
    reader.feed(text)
    assert reader.count["svg"] == 8


def test_what_any_part_found_wrong_is_told() -> None:
    """The report, and the exit code, rest on it."""
    measured = everything()
    measured.runs[0].wrong.append("ledger: 1 entries, 2 facts")
    measured.demo = Demo(55.0, 1)
    assert measured.wrong == ["ledger: 1 entries, 2 facts", "make demo: exit code 1"]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.count: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        self.asked += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_stands_alone_and_escapes_what_it_is_told() -> None:
    """No script, nothing fetched; a chart is there."""
    found = answer(throughput=[run()], wrong=["<b>"])
    found["end_to_end"] = {"facts_per_s": 25_000.0}
    text = page(found)
    reader = _Reader()
    reader.feed(text)
    assert reader.asked == []
    assert reader.count["svg"]
    assert not set(reader.count) & {"script", "link", "b", "some"}
    assert "&lt;some&gt; processor" in text


def test_charts_are_well_formed() -> None:
    """Also with signs of the markup in their words, and with values of nothing."""
    made = [
        bars("a < b", [("x & y", 3.0), ("none", 0.0)], "ms", limit=2.0),
        lines(
            "<>", {"one": [(0.0, 0.0), (1.0, 5.0)], "&": [(float(x), 1.0) for x in range(500)]}, "s", "facts"
        ),
    ]
    for chart in made:
        assert ET.fromstring(chart).tag == "figure"  # noqa: S314 - our own
    assert bars("empty", [], "s") == lines("empty", {}, "s", "s") == ""


def test_numbers_are_told_shortly() -> None:
    """As one says them."""
    assert [short(value) for value in (0.351, 21_530.0, 1_200_000.0, 0.0)] == ["0.351", "21.5k", "1.2M", "0"]
