"""Metrics that the code moves itself, once a batch, a page or a transaction; never once a fact."""

from __future__ import annotations

from shared.telemetry.metric import Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""From a small transaction on a fast disk to a batch that is given back."""
COUNTS = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0)
"""Up to the cap of a transaction."""
SIZES = (1_024.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 2_097_152.0, 4_194_304.0)
"""Up to the cap of a transaction."""

OUTCOMES = ("accepted", "rejected", "quarantined", "parked", "waiting", "resent", "completed", "ignored")
"""What may become of a submission, see `shared.intake.work`."""

FACTS = Metric(
    name="zeren_facts_total",
    kind="counter",
    unit="facts",
    zh="本进程写入的事实",
    en="facts that this process has written",
    do_zh="增长率即每秒事实数；有报送而不增长：看落后与停止的分区",
    do_en="its rate is facts per second; where submissions come and it stands, look at lag and stopped partitions",
)
BATCH_SECONDS = Metric(
    name="zeren_batch_seconds",
    kind="histogram",
    unit="seconds",
    zh="一批从读取到写入的时间，含重新裁决",
    en="one batch from reading to written, decided again where it had to be",
    do_zh="与 zeren_transaction_seconds 之差是读取与裁决；两者都高则看磁盘",
    do_en="what is above zeren_transaction_seconds is reading and deciding; where both are high look at the disk",
    buckets=SECONDS,
)
BATCH_UNITS = Metric(
    name="zeren_batch_units",
    kind="histogram",
    unit="units",
    zh="一批裁决的单元数（报送、外来事实、请求）",
    en="units decided in one batch: submissions, foreign facts, requests",
    do_zh="大批是好事；长期为 1 而落后增长，说明每批过小",
    do_en="large is good; where it stays at 1 while lag grows, batches are too small",
    buckets=COUNTS,
)
TRANSACTION_SECONDS = Metric(
    name="zeren_transaction_seconds",
    kind="histogram",
    unit="seconds",
    zh="一个写事务的时间，含等锁与落盘：decide 裁决、ledger 账本、projection 读模型",
    en="one writing transaction with its wait for the lock and the disk: decide, ledger, projection",
    do_zh="看磁盘与 PostgreSQL；多个工作进程争用同一张事件表时也会变高",
    do_en="look at the disk and PostgreSQL; workers that wait for each other's table lock raise it too",
    labels=("kind",),
    buckets=SECONDS,
)
TRANSACTION_FACTS = Metric(
    name="zeren_transaction_facts",
    kind="histogram",
    unit="facts",
    zh="一个事务写入的事实数（上限 2000）",
    en="facts written in one transaction; the cap is 2,000",
    do_zh="无须处理：满载时接近上限",
    do_en="nothing: it nears the cap under full load",
    buckets=COUNTS,
)
TRANSACTION_BYTES = Metric(
    name="zeren_transaction_bytes",
    kind="histogram",
    unit="bytes",
    zh="一个事务写入的事实字节数（上限 4 MB）",
    en="bytes of facts written in one transaction; the cap is 4 MB",
    do_zh="无须处理：满载时接近上限",
    do_en="nothing: it nears the cap under full load",
    buckets=SIZES,
)
CONFLICTS = Metric(
    name="zeren_conflicts_total",
    kind="counter",
    unit="batches",
    zh="加锁后复核不符、重新裁决的批次",
    en="batches decided again because another process had written first",
    do_zh="偶发正常；持续很高说明多个进程争同一批案件，减少工作进程",
    do_en="now and then is normal; where it stays high several processes fight over the same cases: run fewer workers",
)
RECEIPTS = Metric(
    name="zeren_receipts_total",
    kind="counter",
    unit="submissions",
    zh="报送的结论，按结果：accepted 受理、rejected 退回、quarantined 隔离、parked 停放、waiting 仍在等待、"
    "resent 重发、completed 补完、ignored 已答",
    en="what became of submissions: a receipt, quarantine, parked, waiting already, its receipt sent again, completed",
    do_zh="rejected 或 quarantined 突增：看是哪家机构的程序或密钥出了问题",
    do_en="where rejected or quarantined jumps, an organisation's program or key is at fault: see its receipts",
    labels=("outcome",),
)
RECORDS = Metric(
    name="zeren_records_total",
    kind="counter",
    unit="records",
    zh="消费组已处理的 Kafka 记录",
    en="records that a consumer group has dealt with",
    do_zh="不增长而落后增长：看停止的分区与分配",
    do_en="where it stands while lag grows, look at stopped partitions and the assignment",
    labels=("group", "topic"),
)
GIVEN_BACK = Metric(
    name="zeren_batches_given_back_total",
    kind="counter",
    unit="batches",
    zh="退回 Kafka 重读的批次（停机、另一进程已先处理）",
    en="batches given back to Kafka and read again: an outage, or another process was first",
    do_zh="再均衡与停机时正常；平时增长请看日志 batch read again 的原因",
    do_en="normal in outages and rebalances; else see why in the log's `batch read again`",
    labels=("group",),
)
RELAYED = Metric(
    name="zeren_relayed_facts_total",
    kind="counter",
    unit="facts",
    zh="中继已发送且 Kafka 已确认的事实",
    en="facts that the relay has sent and Kafka has acknowledged",
    do_zh="与 zeren_facts_total 同速；落后时看 zeren_relay_age_seconds",
    do_en="it keeps pace with zeren_facts_total; where it doesn't, see zeren_relay_age_seconds",
)
RELAY_SECONDS = Metric(
    name="zeren_relay_send_seconds",
    kind="histogram",
    unit="seconds",
    zh="中继发送一页直到 Kafka 确认的时间",
    en="one page of the relay from sending to Kafka's acknowledgement",
    do_zh="看 Kafka 的磁盘与副本",
    do_en="look at Kafka's disk and replicas",
    buckets=SECONDS,
)
RECEIPTS_SENT = Metric(
    name="zeren_receipts_sent_total",
    kind="counter",
    unit="receipts",
    zh="已发往机构主题且 Kafka 已确认的回执",
    en="receipts sent to organisations' topics and acknowledged by Kafka",
    do_zh="不增长而 zeren_unsent_receipts 增长：某机构的主题不可用，看日志 receipts wait",
    do_en="where it stands while zeren_unsent_receipts grows, an organisation's topic is missing: see `receipts wait`",
)
FOREIGN_FACTS = Metric(
    name="zeren_foreign_facts_total",
    kind="counter",
    unit="facts",
    zh="已按链序接收的外来事实（含本服务不需要者）",
    en="facts of other services taken in chain order, those that nobody here needs included",
    do_zh="无须处理",
    do_en="nothing",
    labels=("group",),
)
FACTS_PARKED = Metric(
    name="zeren_facts_parked_total",
    kind="counter",
    unit="facts",
    zh="因出错而停放的外来事实",
    en="foreign facts that failed and were parked",
    do_zh="zeren parked list 看原因；修复后 zeren parked retry",
    do_en="zeren parked list tells why; mend, then zeren parked retry",
    labels=("group",),
)
PROJECTED = Metric(
    name="zeren_projected_facts_total",
    kind="counter",
    unit="facts",
    zh="读模型已越过的事实",
    en="facts that a read model has moved over",
    do_zh="不增长而读模型落后：看 zeren logs",
    do_en="where it stands while the read model is behind, see zeren logs",
    labels=("projection",),
)
LEAVES = Metric(
    name="zeren_ledger_leaves_total",
    kind="counter",
    unit="leaves",
    zh="本进程写入账本的叶子",
    en="leaves that this process has appended to the ledger",
    do_zh="不增长而 zeren_ledger_age_seconds 增长：看停止的分区",
    do_en="where it stands while zeren_ledger_age_seconds grows, look at stopped partitions",
)

COUNTED: tuple[Metric, ...] = (
    FACTS, BATCH_SECONDS, BATCH_UNITS, TRANSACTION_SECONDS, TRANSACTION_FACTS, TRANSACTION_BYTES, CONFLICTS,
    RECEIPTS, RECORDS, GIVEN_BACK, RELAYED, RELAY_SECONDS, RECEIPTS_SENT, FOREIGN_FACTS, FACTS_PARKED,
    PROJECTED, LEAVES,
)  # fmt: skip
"""All of them, in the order in which they are shown."""
