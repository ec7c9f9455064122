"""The numbers to reach, each with what was measured: pass, short, or not measured here. Pure.

A figure counts only under the conditions that its target names: enough facts, checks that found nothing, the full
rate. Where they were not given the row says so and is neither pass nor short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

YEAR_FACTS = 1_500_000
"""A province's year: 50,000 person-times."""
ENOUGH_FACTS, GROWN_FACTS, FULL_RATE = 300_000, 3_000_000, 200.0
LARGE_STORE, MANY_FACTS = 1_000_000, 10_000_000
NOT_PYTHON = ("postgres", "kafka")

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One target.

    Attributes:
        wanted: as written, "≥ 20,000".
        passed: None where nothing was measured, or not under the conditions.
        note: what one has to know of the figure.
    """

    zh: str
    en: str
    wanted: str
    unit: str
    figure: float | None
    passed: bool | None
    note: str = ""

    @property
    def verdict(self) -> str:
        """For people."""
        if self.passed is None:
            return "未测 / not measured" if self.figure is None else "条件不足 / conditions not met"
        return "达到 / pass" if self.passed else "不足 / short"

    def told(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Goal:
    """A target.

    Attributes:
        most: the figure may not be above the limit; else not below it.
        figure: of the report's content, with a note and whether the conditions are given; None: not measured.
    """

    zh: str
    en: str
    limit: float
    unit: str
    figure: Callable[[Answer], tuple[float, str, bool] | None]
    most: bool = False

    def row(self, answer: Answer) -> Row:
        """What became of it."""
        wanted = f"{'≤' if self.most else '≥'} {self.limit:,g}"
        found = self.figure(answer)
        if found is None:
            return Row(self.zh, self.en, wanted, self.unit, None, None)
        figure, note, counts = found
        reached = figure <= self.limit if self.most else figure >= self.limit
        return Row(self.zh, self.en, wanted, self.unit, figure, reached if counts else None, note)


def rows(answer: Answer) -> Iterator[Row]:
    """Every target with its figure."""
    return (goal.row(answer) for goal in GOALS)


Found = tuple[float, str, bool]


def _end_to_end(answer: Answer) -> Found | None:
    if not answer["throughput"]:
        return None
    run = answer["throughput"][-1]
    note = (
        f"{run['name']}, {run['facts']:,} facts; start {run['start_per_s']:,.0f}, end {run['end_per_s']:,.0f}"
    )
    return run["facts_per_s"], note, _counts(run)


def _counts(run: Mapping[str, Any]) -> bool:
    """Whether a run of part (a) is a figure: long enough, checked, not profiled."""
    return run["facts"] >= ENOUGH_FACTS and not run["wrong"] and not run["profiled"]


def _ratio(name: str) -> Callable[[Answer], Found | None]:
    def figure(answer: Answer) -> Found | None:
        if answer[name] is None:
            return None
        stock = answer["stock"] or {}
        return answer[name], "", _counts(answer["throughput"][-1]) and not stock.get("wrong")

    return figure


def _year(answer: Answer) -> Found | None:
    runs = (answer["growth"] or {}).get("seconds_of", ())
    facts, seconds = sum(run[0] for run in runs), sum(run[1] for run in runs)
    if facts >= YEAR_FACTS:
        note = f"{facts:,} 个事实的实测 / measured over {facts:,} facts"
        return round(YEAR_FACTS * seconds / facts, 1), note, not answer["growth"]["wrong"]
    found = _end_to_end(answer)
    if found is None:
        return None
    note = f"按 {found[0]:,.0f}/s 推算 / reckoned at {found[0]:,.0f}/s; --growth measures it"
    return round(YEAR_FACTS / found[0], 1), note, found[2]


def _growth(answer: Answer) -> Found | None:
    growth = answer["growth"]
    if not growth or growth["ratio"] is None:
        return None
    first, last = growth["marks"][0], growth["marks"][-1]
    note = f"{first['facts_per_s']:,.0f}/s @ {first['facts']:,} → {last['facts_per_s']:,.0f}/s @ {last['facts']:,}"
    return growth["ratio"], note, last["facts"] >= GROWN_FACTS and not growth["wrong"]


def _latency(name: str) -> Callable[[Answer], Found | None]:
    def figure(answer: Answer) -> Found | None:
        latency = answer["latency"]
        if not latency or not latency[name]:
            return None
        found = latency[name]
        note = (
            f"p50 {found['p50']:g}, p99.9 {found['p99.9']:g}; {latency['rate']:g}/s, {latency['seconds']:.0f} s, "
            f"{latency['cores']['whole']:.2f} cores"
        )
        return found["p99"], note, latency["rate"] >= FULL_RATE and not latency["wrong"]

    return figure


def _ledger(name: str) -> Callable[[Answer], Found | None]:
    def figure(answer: Answer) -> Found | None:
        ledger = answer["ledger"]
        if not ledger:
            return None
        found, note = ledger[name], f"{ledger['leaves']:,} leaves"
        enough = ledger["leaves"] >= ENOUGH_FACTS
        if isinstance(found, Mapping):
            return found["p99"], f"p99; p50 {found['p50']:g}; {note}", enough
        if name == "check_per_s":
            note += f"; HTTP {ledger['check_http_per_s']:,.0f}/s"
        return found, note, enough

    return figure


def _rebuild(service: str) -> Callable[[Answer], Found | None]:
    def figure(answer: Answer) -> Found | None:
        rebuild = answer["rebuild"]
        models = [one for one in rebuild["models"] if one["service"] == service] if rebuild else []
        if not models:
            return None
        slowest = min(models, key=lambda one: one["facts_per_s"])
        note = (
            f"{len(models)} × {slowest['facts']:,} facts; 最慢 / slowest {slowest['name']} "
            f"{slowest['facts_per_s']:,.0f}/s"
        )
        enough = max(one["facts"] for one in rebuild["models"]) >= ENOUGH_FACTS
        return rebuild["facts_per_s"][service], note, enough and not rebuild["wrong"]

    return figure


def _replay(answer: Answer) -> Found | None:
    replay = answer["replay"]
    if not replay or not replay["ms"]:
        return None
    many = replay["facts_in_store"]
    note = f"p99; p50 {replay['ms']['p50']:g}; {replay['claims']} claims × {replay['facts']:g} facts, of {many:,}"
    if many < MANY_FACTS:
        note += f"（目标为 {MANY_FACTS:,} / the target says {MANY_FACTS:,}）"
    return replay["ms"]["p99"], note, many >= LARGE_STORE


def _memory(answer: Answer) -> Found | None:
    python = {name: peak for name, peak in answer["peak_rss_mb"].items() if not name.startswith(NOT_PYTHON)}
    if not python:
        return None
    worst = max(python, key=lambda name: python[name])
    return python[worst], f"VmHWM, {worst}", True


def _demo(answer: Answer) -> Found | None:
    demo = answer["demo"]
    return None if not demo else (demo["seconds"], "", not demo["exit_code"])


GOALS = (
    Goal(
        "签名报送 → 入账并进入读模型",
        "signed submissions → ledgered, projected",
        20_000,
        "facts/s",
        _end_to_end,
    ),
    Goal("与现成部件之比", "the same ÷ stock parts", 70, "×", _ratio("ratio_stock")),
    Goal("与单跳极限之比", "the same ÷ raw one hop", 0.4, "×", _ratio("ratio_raw")),
    Goal("全省一年（150 万事实）", "a province's year, 1.5 M facts", 90, "s", _year, most=True),
    Goal("300 万事实时 ÷ 30 万时", "rate at 3 M facts ÷ at 300 k", 0.9, "×", _growth),
    Goal("报送 → 回执 p99", "submission → receipt p99", 150, "ms", _latency("receipt"), most=True),
    Goal("事实 → 读模型 p99", "fact → read model p99", 200, "ms", _latency("projected"), most=True),
    Goal("账本追加", "ledger append from Kafka", 65_000, "leaves/s", _ledger("append_per_s")),
    Goal("全账核验", "full ledger check", 500_000, "leaves/s", _ledger("check_per_s")),
    Goal("包含证明", "inclusion proof", 1, "ms", _ledger("inclusion_proof_ms"), most=True),
    Goal("50 个事实离线核验", "50 facts verified offline", 50, "ms", _ledger("dossier_ms"), most=True),
    Goal("重建读模型 enrolment", "rebuild, enrolment", 120_000, "facts/s", _rebuild("enrolment")),
    Goal("重建读模型 certification", "rebuild, certification", 120_000, "facts/s", _rebuild("certification")),
    Goal("重建读模型 payment", "rebuild, payment", 120_000, "facts/s", _rebuild("payment")),
    Goal("重建读模型 audit", "rebuild, audit", 120_000, "facts/s", _rebuild("audit")),
    Goal("一笔申领的重放 p99", "replay of one claim p99", 50, "ms", _replay, most=True),
    Goal("各 Python 进程内存峰值", "memory of each Python process", 250, "MB", _memory, most=True),
    Goal("make demo 全程（热）", "warm make demo, whole", 60, "s", _demo, most=True),
)
