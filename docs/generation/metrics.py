"""`docs/metrics.md`: every metric with its meaning and what to do when it is high."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docs.generation.catalogue import GENERATED
from shared.telemetry.counted import COUNTED
from shared.telemetry.metric import SERVICE, Metric
from shared.telemetry.seen import SEEN


def markdown() -> Iterator[str]:
    """The document, line by line."""
    yield "# 指标 / Metrics\n"
    yield GENERATED
    yield (
        "每个服务在 `GET /metrics` 以 Prometheus 文本格式给出下列指标，无须令牌：标签只有少数取值，从无编号、姓名。"
        "没有 api 角色的进程在 `<SERVICE>_METRICS_PORT` 给出。抓取与告警示例见 `deploy/prometheus/`，"
        "查看见 [operations.md](operations.md)。 / "
        "Every service tells these at `GET /metrics`, in Prometheus' text format and without a token: labels have "
        "a few values each and never an id or a name. A process without the api role does so on "
        "`<SERVICE>_METRICS_PORT`. How to scrape and alert: `deploy/prometheus/`; how to look: "
        "[operations.md](operations.md).\n"
    )
    yield (
        f"每个指标都有标签 `{SERVICE}`。名称永久不变。直方图另有 `_bucket`、`_sum`、`_count`。 / Each has the label "
        f"`{SERVICE}`. Names are permanent. A histogram has `_bucket`, `_sum`, `_count`.\n"
    )
    yield "## 计数 / Counted\n"
    yield "由代码按批移动，随进程从零开始。 / Moved by the code once a batch; they begin at nought with the process.\n"
    yield from _table(COUNTED)
    yield "## 查看 / Looked at\n"
    yield (
        "在抓取时查看数据库、Kafka 与进程本身；每次有时限，一秒内共用。看不到的来源，其指标缺席而不报旧值，"
        "`zeren_source_up` 为 0。 / "
        "Looked at when scraped: the database, Kafka, the process; bounded in time and shared for a second. What "
        "comes from a source that is away is absent, never old, and `zeren_source_up` is 0.\n"
    )
    yield from _table(SEEN)


def _table(metrics: Iterable[Metric]) -> Iterator[str]:
    yield "| 名称 / name | 类型 / type | 标签 / labels | 单位 / unit | 含义 / meaning | 偏高时 / when it is high |"
    yield "|---|---|---|---|---|---|"
    for each in metrics:
        labels = ", ".join(f"`{name}`" for name in each.labels)
        cells = (f"`{each.name}`", each.kind, labels, each.unit, each.help, f"{each.do_zh} / {each.do_en}")
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
    yield ""
