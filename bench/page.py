"""The report as one HTML page that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from bench.charts import bars, lines
from bench.report import target_rows

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2em auto; padding: 0 1em; color: #1c232b; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3em .6em; }
th { border-bottom: 2px solid #8a949e; } td { border-bottom: 1px solid #d5dae0; vertical-align: top; }
td.number { text-align: right; white-space: nowrap; } .pass { color: #1f6b3d; } .short { color: #a8321a; }
figure { margin: 1em 0; } figcaption { font-weight: 600; margin-bottom: .3em; }
svg { width: 100%; max-width: 720px; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: #1c232b; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 0 1.5em; }
.wrong { border-left: 4px solid #a8321a; padding: .3em 1em; background: #fbeeea; }
"""
PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")
VERDICTS = {True: "pass", False: "short", None: ""}
Answer = Mapping[str, Any]


def page(answer: Answer) -> str:
    """The whole page."""
    body = "\n".join(_body(answer))
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>责任 · 测量 / Zeren · measurements</title><style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _body(answer: Answer) -> Iterator[str]:
    yield "<h1>测量 / Measurements</h1>"
    yield f"<p>{escape(_machine(answer['machine']))}</p>"
    if answer["wrong"]:
        listed = "".join(f"<li>{escape(one)}</li>" for one in answer["wrong"])
        yield f'<div class="wrong">不成立，有核对未通过 / no figure, checks found:<ul>{listed}</ul></div>'
    yield "<h2>目标 / Numbers to reach</h2>"
    yield _targets(answer)
    yield from _throughput(answer)
    yield from _anchors(answer)
    yield from _latency(answer)
    yield from _growth(answer)
    yield from _others(answer)


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}; Python "
        f"{machine['python']}, PostgreSQL {machine['postgresql']}, Kafka {machine['kafka']}; "
        f"fsync {machine['fsync_ms']} ms; 开始时负载 / load average at the start {machine['load_average']}"
    )


def _targets(answer: Answer) -> str:
    columns = ("项目 / what", "目标 / target", "实测 / measured", "", "说明 / note")
    verdicts = [VERDICTS[row["passed"]] for row in answer["targets"]]
    rows = [
        f"<td>{escape(what)}</td><td>{escape(wanted)}</td><td>{escape(found)}</td>"
        f'<td class="{verdict}">{escape(told)}</td><td>{escape(note)}</td>'
        for (what, wanted, found, told, note), verdict in zip(target_rows(answer), verdicts, strict=True)
    ]
    return _table(columns, rows)


def _table(columns: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>"
        + "\n".join(f"<tr>{row}</tr>" for row in rows)
        + "</tbody></table>"
    )


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table whose numbers stand on the right."""
    return _table(columns, ["".join(map(_cell, row)) for row in rows])


def _cell(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="number">{value:,.6g}</td>' if isinstance(value, float) else _number(value)
    return f"<td>{escape('—' if value is None else str(value))}</td>"


def _number(value: int) -> str:
    return f'<td class="number">{value:,}</td>'


def _throughput(answer: Answer) -> Iterator[str]:
    runs = answer["throughput"]
    if not runs:
        return
    last = runs[-1]
    yield "<h2>(a) 端到端：冷与热 / End to end: fresh and warm</h2>"
    columns = (
        "运行 / run", "facts/s", "10–30 %", "70–90 %", "facts", "s", "cores",
        "CPU s / 100k", "store", "parked",
    )  # fmt: skip
    names = (
        "name", "facts_per_s", "start_per_s", "end_per_s", "facts", "seconds", "cores_busy",
        "cpu_whole_per_100k", "facts_in_store", "parked",
    )  # fmt: skip
    yield _plain(columns, [[run[name] for name in names] for run in runs])
    yield '<div class="charts">'
    yield lines(
        "已入账的事实 / facts ledgered",
        {run["name"]: run["curve"] for run in runs},
        "s",
        "facts",
    )
    yield bars("CPU 秒 / CPU seconds per 100,000 facts", _largest(last["cpu_per_100k"]), "s")
    yield bars("PostgreSQL 各会话 / by session, per 100,000 facts", _largest(last["sessions_per_100k"]), "s")
    yield bars("内存峰值 / peak memory", _largest(answer["peak_rss_mb"]), "MB", limit=250)
    yield "</div>"


def _largest(values: Mapping[str, float], most: int = 12) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda row: -row[1])[:most]


def _anchors(answer: Answer) -> Iterator[str]:
    raw, stock, end = answer["raw"], answer["stock"], answer["end_to_end"]
    if not raw and not stock:
        return
    yield "<h2>(b) 单跳极限 · (c) 现成部件 / The raw limit, the stock parts</h2>"
    rows = [("现成部件 / stock parts", stock["facts_per_s"])] if stock else []
    rows += [("本系统 / this", end["facts_per_s"])] if end else []
    if raw:
        rows += [(f"raw: {path}", per_s) for path, per_s in raw["best_per_s"].items()]
    yield bars("事实每秒 / facts a second", rows, "/s")
    if raw:
        columns = ("path", "facts a batch", "facts/s", "s", "CPU s / 100k")
        yield _plain(
            columns,
            [
                [run["path"], run["batch"], run["facts_per_s"], run["seconds"], _listed(run["cpu_per_100k"])]
                for run in raw["runs"]
            ],
        )
    if stock:
        yield (
            f"<p>现成部件 / stock parts: {stock['facts']:,} facts, {stock['seconds']:g} s; CPU s / 100k: "
            f"{stock['cpu_whole_per_100k']:g} ({escape(_listed(stock['cpu_per_100k']))}); "
            f"MB: {escape(_listed(stock['peak_rss_mb']))}</p>"
        )


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _latency(answer: Answer) -> Iterator[str]:
    latency = answer["latency"]
    if not latency:
        return
    yield "<h2>开环时延 / Open-loop latency</h2>"
    told = {
        "receipt": "报送 → 回执 / submission → receipt",
        "projected": "事实 → 读模型 / fact → own read models",
        "ledgered": "事实 → 入账 / fact → ledger",
        "audited": "事实 → 审计读模型 / fact → audit's read models",
        "send_late": "发送迟到 / sent late",
    }
    rows = [
        [label, *(latency[name].get(point) for point in PERCENTILES)]
        for name, label in told.items()
        if latency[name]
    ]
    yield _plain(("ms", *PERCENTILES), rows)
    yield (
        f"<p>{latency['sheets']:,} sheets, {latency['rate']:g}/s, {latency['facts']:,} facts; cores: "
        f"{escape(_listed(latency['cores']))}; 两次观察相隔 / between two looks {latency['look_ms']:g} ms</p>"
    )
    yield bars("p99", [(label, latency[name]["p99"]) for name, label in told.items() if latency[name]], "ms")


def _growth(answer: Answer) -> Iterator[str]:
    growth = answer["growth"]
    if not growth or not growth["marks"]:
        return
    marks = growth["marks"]
    yield "<h2>增长 / Growth</h2>"
    columns = (
        "库中事实 / facts in store",
        "facts/s",
        "over",
        "CPU s / 100k",
        "replay p50 ms",
        "replay p99 ms",
    )
    yield _plain(
        columns,
        [
            [
                mark["facts"], mark["facts_per_s"], mark["over"], mark["cpu_whole_per_100k"],
                mark["replay"]["ms"].get("p50"), mark["replay"]["ms"].get("p99"),
            ]
            for mark in marks
        ],
    )  # fmt: skip
    yield '<div class="charts">'
    rates = [(mark["facts"], mark["facts_per_s"]) for mark in marks]
    yield lines("事实每秒 / facts a second", {"facts/s": rates}, "facts in store", "facts/s")
    processes = [name for name in marks[-1]["memory"] if name != "postgres"]
    memory = {
        name: [(mark["facts"], mark["memory"][name]["now"]) for mark in marks if name in mark["memory"]]
        for name in processes
    }
    yield lines("内存 / memory (VmRSS)", memory, "facts in store", "MB")
    yield "</div>"
    rows = [
        [name, *(_peak(mark, name) for mark in marks)] for name in marks[-1]["memory"] if name != "postgres"
    ]
    yield _plain(("MB: VmHWM", *(f"{mark['facts']:,}" for mark in marks)), rows)


def _peak(mark: Mapping[str, Any], name: str) -> float | None:
    found = mark["memory"].get(name)
    return None if found is None else round(found["peak"], 1)


def _others(answer: Answer) -> Iterator[str]:
    ledger, rebuild, replay = answer["ledger"], answer["rebuild"], answer["replay"]
    if ledger:
        yield "<h2>账本 / Ledger</h2>"
        names = ("append_per_s", "append_rss_mb", "check_per_s", "check_http_per_s")
        rows = [[name, ledger[name]] for name in names]
        rows += [
            [f"{name} {point}", ledger[name][point]]
            for name in ("inclusion_proof_ms", "dossier_ms")
            for point in ("p50", "p99")
        ]
        yield _plain((f"{ledger['leaves']:,} leaves", ""), rows)
    if rebuild:
        yield "<h2>读模型重建 / Projection rebuild</h2>"
        columns = ("服务 / service", "读模型 / read model", "facts", "s", "facts/s")
        yield _plain(columns, [list(model.values()) for model in rebuild["models"]])
    if replay and replay["ms"]:
        yield "<h2>重放 / Replay of one claim</h2>"
        yield (
            f"<p>{replay['facts_in_store']:,} 个事实中的 {replay['claims']} 笔 / {replay['claims']} claims out of "
            f"{replay['facts_in_store']:,} facts, ms: {escape(_listed(replay['ms']))}</p>"
        )
