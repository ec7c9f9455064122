"""Metrics that are looked at when a process is scraped: at its database, at Kafka, at itself."""

from __future__ import annotations

from shared.telemetry.metric import Metric

PARKED_KINDS = ("fact", "key", "receipt", "operator")
"""What parked submissions wait for: something decided, a signing key, another body's receipt, a mended fault."""

SOURCE_UP = Metric(
    name="zeren_source_up",
    kind="gauge",
    unit="1 or 0",
    zh="本次抓取能否看到 database、kafka；0 时来自它的指标缺席，不报旧值",
    en="whether this scrape could look at database, kafka; at 0 what comes from there is absent, never old",
    do_zh="为 0：PostgreSQL 或 Kafka 不应答，zeren doctor",
    do_en="at 0 PostgreSQL or Kafka does not answer: zeren doctor",
    labels=("source",),
)
READY = Metric(
    name="zeren_ready",
    kind="gauge",
    unit="1 or 0",
    zh="就绪与否，按部分：database、kafka、relay、assigned、projector（与 /health/ready 相同）",
    en="ready or not, by part, as /health/ready says: database, kafka, relay, assigned, projector",
    do_zh="为 0：zeren doctor 说明各部分的出路",
    do_en="at 0 zeren doctor tells the way out of each",
    labels=("part",),
)
WAITING = Metric(
    name="zeren_waiting",
    kind="gauge",
    unit="1 or 0",
    zh="是否因 database、kafka、vault、files 不可用而等待",
    en="whether some loop waits for want of database, kafka, vault, files",
    do_zh="为 1：恢复所缺者；服务自行继续",
    do_en="at 1 bring back what is missing; the service goes on by itself",
    labels=("what",),
)
PARTITION_STOPPED = Metric(
    name="zeren_partition_stopped",
    kind="gauge",
    unit="1 or 0",
    zh="本进程分到的分区是否因无法处理的记录而停止",
    en="whether a partition of this process has stopped on a record that can't be handled",
    do_zh="为 1：zeren doctor 说明原因与出路；从不跳过",
    do_en="at 1 zeren doctor tells why and the way out; nothing is ever skipped",
    labels=("group", "topic", "partition"),
)
ASSIGNED = Metric(
    name="zeren_assigned_partitions",
    kind="gauge",
    unit="partitions",
    zh="消费组分给本进程的分区数",
    en="partitions of a group that this process reads",
    do_zh="各进程之和应为主题的分区数；0 则本进程闲着或未就绪",
    do_en="over all processes it is the topics' partitions; at 0 this process idles, or isn't ready",
    labels=("group",),
)
LAG_OFFSETS = Metric(
    name="zeren_consumer_lag_offsets",
    kind="gauge",
    unit="records",
    zh="分区末尾与已写入数据库的位置之差",
    en="records between the end of a partition and what the database says is decided",
    do_zh="短时正常；持续增长：增加工作进程，或看停止的分区",
    do_en="for a moment is normal; where it grows run more workers, or look at stopped partitions",
    labels=("group", "topic", "partition"),
)
LAG_SECONDS = Metric(
    name="zeren_consumer_lag_seconds",
    kind="gauge",
    unit="seconds",
    zh="下一条未处理的记录到达 Kafka 至今的时间；全部处理完为 0",
    en="how long ago Kafka took in the next record that is not decided yet; 0 where all are",
    do_zh="同上：机构等回执就等这么久",
    do_en="the same: an organisation waits so long for its receipt",
    labels=("group", "topic", "partition"),
)
HEAD = Metric(
    name="zeren_head_position",
    kind="gauge",
    unit="positions",
    zh="事件表的最高位置",
    en="the highest position of the event table",
    do_zh="无须处理",
    do_en="nothing",
)
UNSENT_FACTS = Metric(
    name="zeren_unsent_facts",
    kind="gauge",
    unit="facts",
    zh="尚未得到 Kafka 确认的事实",
    en="facts that Kafka has not acknowledged yet",
    do_zh="看 zeren_relay_age_seconds",
    do_en="see zeren_relay_age_seconds",
)
RELAY_AGE = Metric(
    name="zeren_relay_age_seconds",
    kind="gauge",
    unit="seconds",
    zh="最早一个未发出的事实记录至今的时间；全部发出为 0",
    en="how long ago the oldest unsent fact was recorded; 0 where all are sent",
    do_zh="Kafka 不可用，或中继没有前进：zeren doctor、zeren logs",
    do_en="Kafka is away, or the relay doesn't move: zeren doctor, zeren logs",
)
UNSENT_RECEIPTS = Metric(
    name="zeren_unsent_receipts",
    kind="gauge",
    unit="receipts",
    zh="尚未发往机构的回执",
    en="receipts that are not with their organisations' topics yet",
    do_zh="Kafka 不可用，或某机构的主题不存在：看日志 receipts wait",
    do_en="Kafka is away, or an organisation's topic is missing: see `receipts wait` in the log",
)
PROJECTION_LAG_FACTS = Metric(
    name="zeren_projection_lag_facts",
    kind="gauge",
    unit="facts",
    zh="读模型尚未越过的事实",
    en="facts that a read model has yet to move over",
    do_zh="看 zeren_projection_lag_seconds",
    do_en="see zeren_projection_lag_seconds",
    labels=("projection",),
)
PROJECTION_LAG_SECONDS = Metric(
    name="zeren_projection_lag_seconds",
    kind="gauge",
    unit="seconds",
    zh="读模型尚缺的第一个事实记录至今的时间；无缺为 0",
    en="how long ago the first fact that a read model lacks was recorded; 0 where it lacks none",
    do_zh="页面显示的是这么久以前的情况：看 zeren logs；zeren projection status",
    do_en="screens show what was so long ago: see zeren logs, zeren projection status",
    labels=("projection",),
)
FOLLOWER_LAG = Metric(
    name="zeren_follower_lag_facts",
    kind="gauge",
    unit="facts",
    zh="跟随者（如银行文件）尚未处理的本服务事实",
    en="own facts that a follower, such as the one that writes bank files, has yet to act on",
    do_zh="看 zeren logs 与 zeren_waiting（files、vault）",
    do_en="see zeren logs and zeren_waiting (files, vault)",
    labels=("follower",),
)
PARKED_SUBMISSIONS = Metric(
    name="zeren_parked_submissions",
    kind="gauge",
    unit="submissions",
    zh="停放的报送，按所等：fact 前序事实、key 密钥登记、receipt 另一份的回执、operator 内部错误的修复",
    en="submissions that wait, by what for: a fact, a signing key, another body's receipt, an operator to mend a fault",
    do_zh="operator 大于 0：修复后 zeren parked retry；其余自行办理或到期退回",
    do_en="operator above 0: mend the fault, zeren parked retry; the others are decided, or rejected when due",
    labels=("kind",),
)
PARKED_SUBMISSIONS_AGE = Metric(
    name="zeren_parked_submissions_age_seconds",
    kind="gauge",
    unit="seconds",
    zh="停放最久的报送到达至今的时间；没有为 0",
    en="how long ago the submission that has waited longest came in; 0 where none waits",
    do_zh="同上",
    do_en="the same",
    labels=("kind",),
)
PARKED_FACTS = Metric(
    name="zeren_parked_facts",
    kind="gauge",
    unit="facts",
    zh="停放的外来事实：failed 自身出错、behind 等在其后",
    en="parked foreign facts: failed themselves, or behind one that did",
    do_zh="zeren parked list 看原因；修复后 zeren parked retry，或两人 zeren parked discard",
    do_en="zeren parked list tells why; mend, then zeren parked retry, or two people discard it",
    labels=("kind",),
)
PARKED_FACTS_AGE = Metric(
    name="zeren_parked_facts_age_seconds",
    kind="gauge",
    unit="seconds",
    zh="停放最久的外来事实停放至今的时间；没有为 0",
    en="how long the foreign fact that has waited longest is parked; 0 where none is",
    do_zh="同上：这些案件停着",
    do_en="the same: those cases stand still",
)
LEDGER_SIZE = Metric(
    name="zeren_ledger_size",
    kind="gauge",
    unit="leaves",
    zh="账本的叶子数",
    en="leaves of the ledger",
    do_zh="无须处理",
    do_en="nothing",
)
LEDGER_AGE = Metric(
    name="zeren_ledger_age_seconds",
    kind="gauge",
    unit="seconds",
    zh="最早一个尚未被已公布的检查点覆盖的事实的时间；全部覆盖为 0",
    en="the age of the oldest published fact that no published checkpoint covers; 0 where all are covered",
    do_zh="账本落后：看 audit 的停止分区、落后与 Kafka",
    do_en="the ledger is behind: look at audit's stopped partitions, its lag, and Kafka",
)
CHECKPOINT_AGE = Metric(
    name="zeren_ledger_checkpoint_age_seconds",
    kind="gauge",
    unit="seconds",
    zh="最新检查点签署至今的时间；没有新事实时自然增长",
    en="how long ago the newest checkpoint was signed; it grows by itself while there are no facts",
    do_zh="仅在有新事实时有意义：看 zeren_ledger_age_seconds",
    do_en="it means something only while facts come: see zeren_ledger_age_seconds",
)
UNPUBLISHED_CHECKPOINTS = Metric(
    name="zeren_ledger_unpublished_checkpoints",
    kind="gauge",
    unit="checkpoints",
    zh="尚未公布到主题的检查点",
    en="checkpoints that are not on their topic yet",
    do_zh="Kafka 不可用，或发布循环停住：zeren logs audit",
    do_en="Kafka is away, or the publisher stands: zeren logs audit",
)
CONNECTIONS = Metric(
    name="zeren_database_connections",
    kind="gauge",
    unit="connections",
    zh="连接池：in_use 使用中、idle 空闲",
    en="the connection pool: in_use, idle",
    do_zh="in_use 长期等于上限：请求在排队",
    do_en="where in_use stays at the maximum, requests queue",
    labels=("state",),
)
CONNECTIONS_MAX = Metric(
    name="zeren_database_connections_max",
    kind="gauge",
    unit="connections",
    zh="连接池的上限",
    en="the most that the pool opens",
    do_zh="无须处理",
    do_en="nothing",
)
MEMORY = Metric(
    name="zeren_process_resident_memory_bytes",
    kind="gauge",
    unit="bytes",
    zh="进程的常驻内存",
    en="the process's resident memory",
    do_zh="设计上限 250 MB；持续增长请保留日志并重启",
    do_en="the design's bound is 250 MB; where it goes on growing keep the logs and restart",
)
CPU = Metric(
    name="zeren_process_cpu_seconds_total",
    kind="counter",
    unit="seconds",
    zh="进程用过的 CPU 时间（用户与系统）",
    en="CPU time of the process, user and system",
    do_zh="增长率接近 1：该进程已用满一个核，增加工作进程",
    do_en="a rate near 1 is one core used up: run more workers",
)
STARTED = Metric(
    name="zeren_process_start_time_seconds",
    kind="gauge",
    unit="seconds",
    zh="进程启动的时刻（Unix 时间）",
    en="when the process started, as Unix time",
    do_zh="变化即重启过：看 zeren logs",
    do_en="where it changes the process was started again: see zeren logs",
)

SEEN: tuple[Metric, ...] = (
    SOURCE_UP, READY, WAITING, PARTITION_STOPPED, ASSIGNED, LAG_OFFSETS, LAG_SECONDS, HEAD, UNSENT_FACTS,
    RELAY_AGE, UNSENT_RECEIPTS, PROJECTION_LAG_FACTS, PROJECTION_LAG_SECONDS, FOLLOWER_LAG, PARKED_SUBMISSIONS,
    PARKED_SUBMISSIONS_AGE, PARKED_FACTS, PARKED_FACTS_AGE, LEDGER_SIZE, LEDGER_AGE, CHECKPOINT_AGE,
    UNPUBLISHED_CHECKPOINTS, CONNECTIONS, CONNECTIONS_MAX, MEMORY, CPU, STARTED,
)  # fmt: skip
"""All of them, in the order in which they are shown."""
