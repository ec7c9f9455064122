"""The states that a running service may tell of, in words, each with its way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zeren.stack.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """A state and what to do about it, Chinese and English; names in braces are filled in.

    Names: `name` the service, `source` whose topic it is, `after` the position behind the last link,
    `start` the command that starts the stack.
    """

    zh: str
    en: str
    do_zh: str
    do_en: str

    def finding(self, check: str, why: str = "", **names: object) -> Finding:
        """The state as it was found; `why` in the service's own words."""
        zh, en, do_zh, do_en = (text.format(**names) for text in (self.zh, self.en, self.do_zh, self.do_en))
        found = f"{zh}（{why}） / {en}" if why else f"{zh} / {en}"
        return Finding(check=check, ok=False, found=found, advice=f"{do_zh} / {do_en}")


SILENT = WayOut(
    zh="进程在，但不应答",
    en="the process is there and doesn't answer",
    do_zh="刚启动则稍候；否则看 zeren logs {name}",
    do_en="wait if it has just started; else see zeren logs {name}",
)
NOT_READY = WayOut(zh="未就绪", en="not ready", do_zh="看 zeren logs {name}", do_en="see zeren logs {name}")
WAITING: Mapping[str, WayOut] = {
    "database": WayOut(
        zh="PostgreSQL 不应答，服务在等待",
        en="PostgreSQL doesn't answer, the service waits",
        do_zh="恢复后自行继续；postgres 若已退出，运行 {start}；磁盘满则先腾出空间",
        do_en="it goes on by itself; if postgres has ended run {start}, on a full disk make space first",
    ),
    "kafka": WayOut(
        zh="Kafka 不应答，服务在等待",
        en="Kafka doesn't answer, the service waits",
        do_zh="恢复后自行继续；kafka 若已退出，运行 {start}；磁盘满则先腾出空间",
        do_en="it goes on by itself; if kafka has ended run {start}, on a full disk make space first",
    ),
    "relay": WayOut(
        zh="中继没有前进，事实未到达 Kafka",
        en="the relay doesn't move, facts don't reach Kafka",
        do_zh="看 zeren logs {name}；Kafka 恢复后自行补发",
        do_en="see zeren logs {name}; once Kafka is back it sends what is missing by itself",
    ),
    "assigned": WayOut(
        zh="尚未分到分区：刚启动、再均衡或 Kafka 不应答",
        en="no partitions yet: it has just started, rebalances, or lacks Kafka",
        do_zh="一分钟后再看；仍如此则看 zeren logs {name}",
        do_en="look again in a minute; if it stays so, see zeren logs {name}",
    ),
    "projector": WayOut(
        zh="读模型没有前进，页面显示旧情况",
        en="the read models don't move, screens show an old state",
        do_zh="看 zeren logs {name}；PostgreSQL 恢复后自行补上",
        do_en="see zeren logs {name}; once PostgreSQL is back they catch up by themselves",
    ),
}
"""By the field of /health/ready that is false."""

_GAP = WayOut(
    zh="链有缺口，分区已停止：主题中缺一个事实",
    en="a gap in the chain, the partition stopped: a fact isn't in the topic",
    do_zh="zeren audit reconcile --service {source} 指出缺什么；事件表有则 zeren resend {source} --from {after}，"
    "再运行 zeren resume {name}",
    do_en="zeren audit reconcile --service {source} names what is missing; where the event table has it, "
    "zeren resend {source} --from {after}, then zeren resume {name}",
)
_OTHER_DIGEST = WayOut(
    zh="同一位置出现另一份内容，分区已停止",
    en="a position came again with other bytes, the partition stopped",
    do_zh="不要跳过：有人写入主题，或数据库曾恢复到较早时点。zeren audit reconcile --service {source} 指出哪处不同，"
    "两份内容都保留作证据。事件表落后则 zeren recover {source}；若是外来记录，管理员删除该主题后，zeren down，{start} "
    "会重建它，中继从事件表重发",
    do_en="don't pass over it: somebody wrote to the topic, or a database was put back. zeren audit reconcile "
    "--service {source} names the place that differs, keep both as evidence. If the event table is behind, "
    "zeren recover {source}; if the record is a stranger's, the administrator deletes the topic, then zeren down, "
    "{start} makes it again and the relay sends it anew from the event table",
)
_UNREADABLE = WayOut(
    zh="记录没有可读的头，分区已停止：不是中继写的",
    en="a record without readable headers, the partition stopped: no relay wrote it",
    do_zh="zeren audit reconcile --service {source} 指出偏移；查明谁能写该主题（deploy/local/acls.toml）并收回，"
    "保留记录作证据；管理员删除该主题后，zeren down，{start} 会重建它，中继从事件表重发",
    do_en="zeren audit reconcile --service {source} names the offset; find out who may write there "
    "(deploy/local/acls.toml), take it from them, keep the record as evidence; once the administrator has deleted "
    "the topic, zeren down, {start} makes it again and the relay sends it anew from the event table",
)
_TOO_LARGE = WayOut(
    zh="记录超过账本条目上限，分区已停止：服务写不出这样的事实",
    en="a record above the ledger's entry limit, the partition stopped: no service writes such a fact",
    do_zh=_UNREADABLE.do_zh,
    do_en=_UNREADABLE.do_en,
)
_STOPPED = WayOut(
    zh="分区已停止",
    en="the partition stopped",
    do_zh="看 zeren logs {name}；修复后 zeren resume {name}",
    do_en="see zeren logs {name}; once mended zeren resume {name}",
)
_BY_WORDS = (
    (re.compile(r"^gap"), _GAP),
    (re.compile(r"^other_digest|other bytes|ledgered already"), _OTHER_DIGEST),
    (re.compile(r"^unreadable headers"), _UNREADABLE),
    (re.compile(r"limit is \d+$"), _TOO_LARGE),
)
_MISSING = re.compile(r"gap: ([a-z]+)@\S+ is missing its link after position (\d+)")
_TOPIC = re.compile(r"zeren\.([a-z]+)\.")


def stopped(name: str, where: str, why: str, start: str) -> Finding:
    """A partition that a consumer of a service stopped on.

    Args:
        name: the service.
        where: "<group> <topic>/<partition>".
        why: in the service's words, see `shared.messaging.links` and the ledger's worker.
        start: the command that starts the stack.
    """
    way = next((one for pattern, one in _BY_WORDS if pattern.search(why)), _STOPPED)
    gap, topic = _MISSING.search(why), _TOPIC.search(where)
    source = gap[1] if gap else topic[1] if topic else name
    after = int(gap[2]) + 1 if gap else 1
    return way.finding(f"partition {where}", why, name=name, source=source, after=after, start=start)


UNKNOWN = WayOut(
    zh="不知道是否有事实未发出",
    en="whether facts are unsent isn't known",
    do_zh="PostgreSQL 与 Kafka 恢复后再看",
    do_en="look again once PostgreSQL and Kafka are back",
)
BEHIND = WayOut(
    zh="中继落后且没有前进：{unsent} 个事实未发出，已发到位置 {sent}",
    en="the relay is behind and doesn't move: {unsent} facts are unsent, those up to position {sent} are sent",
    do_zh=WAITING["relay"].do_zh,
    do_en=WAITING["relay"].do_en,
)
PARKED = WayOut(
    zh="{count} 个外来事实无法处理，{behind} 个等在其后；最早自 {since}",
    en="{count} foreign facts couldn't be taken in, {behind} wait behind them; the oldest since {since}",
    do_zh="zeren parked show {id} 看原因；修复后 zeren parked retry，或两人 zeren parked discard",
    do_en="zeren parked show {id} tells why; once mended zeren parked retry, or two people discard it",
)
PUT_BACK = WayOut(
    zh="数据库已恢复到较早时点，补回之前拒绝启动（退出码 4）",
    en="its database was put back; until what it lacks is back it refuses to start (exit code 4)",
    do_zh="运行 zeren recover {name}{of}，再运行 {start}",
    do_en="run zeren recover {name}{of}, then {start}",
)
ENDED = WayOut(
    zh="已退出",
    en="ended",
    do_zh="运行 {start} 重新启动，日志 {log}",
    do_en="start again with {start}; log: {log}",
)
KILLED = WayOut(zh="被信号 {killer} 终止", en="killed by {killer}", do_zh=ENDED.do_zh, do_en=ENDED.do_en)
CUT_OFF = WayOut(
    zh="已退出，日志中没有结束的话：多半是被杀死（SIGKILL、内存不足、断电）",
    en="ended without a word in its log: most likely killed (SIGKILL, no memory, no power)",
    do_zh=ENDED.do_zh,
    do_en=ENDED.do_en,
)
NOTHING_RUNS = WayOut(
    zh="没有在运行，且不是由 zeren down 停止的",
    en="nothing is running, and zeren down didn't stop it",
    do_zh="运行 {start} 重新启动；各进程为何退出见下",
    do_en="start again with {start}; why each process ended stands below",
)
NOT_RUNNING = WayOut(zh="未运行", en="not running", do_zh="请运行 {start}", do_en="run {start}")

AWAY: Mapping[str, WayOut] = {
    "vault": WayOut(
        zh="保险库不应答，服务在等待",
        en="the vault doesn't answer, the service waits",
        do_zh="恢复后自行继续；看 zeren doctor 与 zeren logs {name}",
        do_en="it goes on by itself; see zeren doctor and zeren logs {name}",
    ),
    "files": WayOut(
        zh="服务写不了文件，在等待",
        en="the service can't write its files, it waits",
        do_zh="腾出空间或恢复权限后自行继续；看 zeren logs {name}",
        do_en="make space or give it back its rights, it goes on by itself; see zeren logs {name}",
    ),
}
"""By what `zeren_waiting` names."""

PARKED_STANDING = WayOut(
    zh="{count} 个外来事实无法处理，{behind} 个等在其后，最久已 {seconds} 秒",
    en="{count} foreign facts couldn't be taken in, {behind} wait behind them, the longest for {seconds} s",
    do_zh="zeren parked list 看原因；修复后 zeren parked retry，或两人 zeren parked discard",
    do_en="zeren parked list tells why; once mended zeren parked retry, or two people discard it",
)
AWAITING_OPERATOR = WayOut(
    zh="{count} 件报送因内部错误停放",
    en="{count} submissions are parked by a fault of ours",
    do_zh="zeren parked list 看错误；修复并重启后 zeren parked retry operator:错误类名",
    do_en="zeren parked list names the fault; mend it, restart, then zeren parked retry operator:<its class>",
)
SUBMISSIONS_WAIT = WayOut(
    zh="{count} 份报送在等待：前序事实 {fact}、密钥登记 {key}、他方回执 {receipt}；齐备即办理，到期则退回或隔离",
    en="submissions that wait: {count} (for a fact {fact}, for a key {key}, for another body's receipt {receipt}); "
    "decided once it comes, else rejected or quarantined at the deadline",
    do_zh="zeren parked list 看各等什么、至何时；等密钥的，登记密钥",
    do_en="zeren parked list tells what each waits for and until when; register the key where it is one",
)
QUARANTINED = WayOut(
    zh="进程启动以来隔离 {count} 份报送：无法确认报送人，没有回执",
    en="submissions quarantined since the process started: {count}; nobody can be held for them, no receipt went out",
    do_zh="多半是签名或密钥有误：请报送人与 zeren institution key list 核对；各种原因见 docs/operations.md",
    do_en="mostly a wrong signature or key: have the sender compare with zeren institution key list; "
    "docs/operations.md has the reasons",
)
LAGGING = WayOut(
    zh="落后 {seconds} 秒：下一条未处理的记录已等这么久",
    en="{seconds} s behind: the next record that isn't decided has waited so long",
    do_zh="看 zeren logs {name}；一直增长则增加工作进程（python -m services.{name} --roles worker）",
    do_en="see zeren logs {name}; where it goes on growing run more workers (python -m services.{name} --roles worker)",
)
RELAY_BEHIND = WayOut(
    zh="{unsent} 个事实未发出，最早的已等 {seconds} 秒",
    en="{unsent} facts are unsent, the oldest for {seconds} s",
    do_zh=WAITING["relay"].do_zh,
    do_en=WAITING["relay"].do_en,
)
PROJECTION_BEHIND = WayOut(
    zh="读模型 {model} 落后 {seconds} 秒",
    en="the read model {model} is {seconds} s behind",
    do_zh="看 zeren logs {name} 与 zeren projection status {model}",
    do_en="see zeren logs {name} and zeren projection status {model}",
)
LEDGER_BEHIND = WayOut(
    zh="账本落后 {seconds} 秒：最早的事实尚未被已公布的检查点覆盖",
    en="the ledger is {seconds} s behind: no published checkpoint covers the oldest fact",
    do_zh="看 zeren logs {name}；先处理停止的分区",
    do_en="see zeren logs {name}; stopped partitions first",
)
LARGE = WayOut(
    zh="占用内存 {megabytes} MB，超过设计的两倍",
    en="it takes {megabytes} MB of memory, more than twice its design",
    do_zh="保留日志后重启该进程；反复出现请报告",
    do_en="keep the log and restart it; report it where it comes again",
)
