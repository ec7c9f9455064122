"""The report: one JSON file beside the state folders, and the tables for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import targets
from bench.measured import Measured
from bench.throughput import Throughput
from zeren.stack.files import write_private

FRESH = "fresh"


def as_answer(measured: Measured) -> dict[str, Any]:
    """The report's content: `end_to_end` is the last run, the warmest. What was not measured is null."""
    runs = measured.runs
    last = runs[-1] if runs else None
    answer: dict[str, Any] = {
        "machine": measured.machine,
        "settings": measured.settings,
        "end_to_end": None if last is None else _end_to_end(runs, last),
        "ratio_stock": _ratio(last, measured.stock.facts_per_s if measured.stock else None),
        "ratio_raw": _ratio(last, measured.raw.limit_per_s if measured.raw else None),
        "latency_ms": _latency(measured),
        "peak_rss_mb": dict(measured.peak_rss_mb or (last.peak_rss_mb if last else {})),
        "cpu_s_per_100k": {"whole": last.cpu_whole_per_100k, **last.cpu_per_100k} if last else {},
        "throughput": [run.told() for run in runs],
    }
    for name in ("raw", "stock", "latency", "growth", "ledger", "rebuild", "replay", "demo"):
        part = getattr(measured, name)
        answer[name] = None if part is None else part.told()
    answer["wrong"] = measured.wrong
    answer["targets"] = [row.told() for row in targets.rows(answer)]
    return answer


def _end_to_end(runs: Sequence[Throughput], last: Throughput) -> dict[str, Any]:
    by_name = {run.name: run.facts_per_s for run in runs}
    return {
        "facts_per_s": last.facts_per_s,
        "run": last.name,
        "valid": not last.wrong,
        "fresh_facts_per_s": by_name.get(FRESH),
        "warm_facts_per_s": None if last.name == FRESH else last.facts_per_s,
    }


def _ratio(last: Throughput | None, per_s: float | None) -> float | None:
    return None if last is None or not per_s else round(last.facts_per_s / per_s, 3)


def _latency(measured: Measured) -> dict[str, Any] | None:
    found = measured.latency
    if found is None:
        return None
    return {name: getattr(found, name) for name in ("receipt", "projected", "ledgered", "audited")}


def target_rows(answer: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """What, wanted, found, verdict, note: of every target, for a table."""
    return [
        (
            f"{row['zh']} / {row['en']}",
            f"{row['wanted']} {row['unit']}",
            "—" if row["figure"] is None else f"{row['figure']:,.6g} {row['unit']}",
            row["verdict"],
            row["note"],
        )
        for row in answer["targets"]
    ]


def write(path: Path, answer: Mapping[str, Any]) -> None:
    """Whole or not at all."""
    write_private(path, json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
