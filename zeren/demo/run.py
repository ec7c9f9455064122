"""`zeren demo`: signed files become paid, ledgered money, on a stack of its own, afresh or going on where it was."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from zeren.demo.dataset import Dataset, dataset_to_go_on_with, generated_dataset, read_dataset
from zeren.demo.ledger import Ledger, verified_ledger
from zeren.demo.observed import Evidence, observe, shown_claim, unattributed
from zeren.demo.parties import Parties, institutions_process
from zeren.demo.play import Play
from zeren.demo.progress import Progress
from zeren.demo.telling import Teller
from zeren.generator.compare import compare
from zeren.stack.client import Local
from zeren.stack.days import wait_drained
from zeren.stack.errors import StackError
from zeren.stack.facts import EventTable
from zeren.stack.files import write_private
from zeren.stack.local import SERVICES, Servers, reset
from zeren.stack.state import StateFolder
from zeren.stack.whole import institutions_folder, ledger_vkey, running_stack

STATE = "demo"
MARK = "demo"
"""A file in the state folder: what stands there is a demo's, which the next one may delete."""
TRAINEES, SEED = 300, 1
MOST_DIFFERENCES = 40
PAGE = 200
REASON = "CASE_REVIEW"
PATIENCE_SECONDS = 120.0
"""How long handlers and people wait for a service that does not answer."""

Prepare = Callable[[], Dataset]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What the run came to, and how it compares.

    Attributes:
        differences: from the truth; none where all is as it should be.
        replay, responsibility: of one paid claim; empty where none was paid.
    """

    observed: dict[str, Any]
    progress: dict[str, Any]
    receipts: int
    ledger: Ledger
    differences: list[str]
    claim_id: str
    replay: dict[str, Any]
    responsibility: dict[str, Any]


@click.command()
@click.option(
    "--trainees", type=click.IntRange(30), help=f"学员人数，默认 {TRAINEES} / trainees [{TRAINEES}]"
)
@click.option("--seed", type=int, help=f"随机种子，默认 {SEED} / seed [{SEED}]")
@click.option("--resume", is_flag=True, help="保留数据，从中断处继续 / keep the data and go on where it was")
@click.option("--json", "as_json", is_flag=True, help="只输出一个 JSON 对象 / print one JSON object")
@click.option(
    "--serve/--no-serve", default=True, help="在终端中运行到 Ctrl-C / in a terminal, serve until Ctrl-C"
)
@click.option(
    "--state", "state_name", default=STATE, show_default=True, help="状态目录名 / state folder's name"
)
def demo(
    *, trainees: int | None, seed: int | None, resume: bool, as_json: bool, serve: bool, state_name: str
) -> int:
    """演示：从签名文件到已支付、已入账；与独立算出的真值逐项比较 / Signed files become paid, ledgered money.

    从头开始，原有演示数据会被删除 / Afresh: an earlier demo's data is deleted.
    中断后加 --resume 继续：同样的文件、同样的请求再来一遍，各得原来的答复 / After an interruption --resume goes on:
    the same files and requests once more, each gets the answer that it got.
    退出码 / exit codes: 0 与真值一致 equal to the truth, 1 不一致或无法继续 different, or nothing to go on with.
    """
    progress = Progress(partial(click.echo, err=as_json))
    if resume:
        folder = dataset_to_go_on_with(state_name, trainees=trainees, seed=seed)
        prepare: Prepare = partial(read_dataset, folder)
    else:
        _begin_afresh(state_name)
        prepare = partial(
            generated_dataset,
            StateFolder.named(state_name),
            trainees=TRAINEES if trainees is None else trainees,
            seed=SEED if seed is None else seed,
        )
    state = StateFolder.named(state_name)
    how = "演示继续 / the demo goes on" if resume else "演示从头开始 / the demo starts afresh"
    progress(f"{how}；{state.path}")
    return _run(state, prepare, progress, as_json=as_json, serve=serve)


def _begin_afresh(state_name: str) -> None:
    """Deletes an earlier demo. Raises: NotADemo: the folder is something else's."""
    state = StateFolder.named(state_name)
    if (
        (state.path / "provisioned-postgres").exists()
        and not (state.path / MARK).exists()
        and state_name != STATE
    ):
        raise NotADemo(
            f"{state.path} 不是演示的目录：请换一个名字，或先 zeren reset --state {state_name}",
            f"{state.path} is not a demo's: take another name, or run zeren reset --state {state_name} first",
        )
    reset(state)
    write_private(StateFolder(state.path).path / MARK, "")


class NotADemo(StackError):
    """A state folder holds something that is not the demo's to delete."""


def _run(state: StateFolder, prepare: Prepare, progress: Progress, *, as_json: bool, serve: bool) -> int:
    with ExitStack() as running:
        dataset, servers = _start(running, state, progress, prepare)
        parties = running.enter_context(
            institutions_process(state, institutions_folder(state), dataset.records_file)
        )
        local = running.enter_context(Local(state, patience_seconds=PATIENCE_SECONDS, waiting=progress))
        play = Play(servers, local, dataset, parties, progress)
        play.play()
        with progress.part("核对/compare"):
            ending = _end(local, dataset, parties, play.people_refused)
        serving = serve and not as_json and sys.stdout.isatty()
        if not as_json:
            _tell(ending, progress, state.path.name, serving=serving)
        for difference in _shown(ending.differences):
            click.echo(f"  {difference}", err=as_json)
        if serving:
            _serve(progress)
    if as_json:
        click.echo(json.dumps(_summary(ending, progress.seconds), ensure_ascii=False))
    else:
        progress("已全部停止 / everything is stopped")
    return 1 if ending.differences else 0


def _start(
    running: ExitStack, state: StateFolder, progress: Progress, prepare: Prepare
) -> tuple[Dataset, Servers]:
    """Gets the dataset while the servers start."""
    with ThreadPoolExecutor(1) as pool, progress.part("启动/start"):
        preparing = pool.submit(prepare)
        servers = running.enter_context(running_stack(state, progress=progress))
        dataset = preparing.result()
    organisations, records = len(dataset.organisations), len(dataset.records)
    progress(
        f"{organisations} 家机构、{dataset.trainees} 名学员、{records} 份签名文件 / "
        f"{organisations} organisations, {dataset.trainees} trainees, {records} signed files"
    )
    return dataset, servers


def _end(local: Local, dataset: Dataset, parties: Parties, people_refused: list[str]) -> Ending:
    """Looks at everything from outside and compares it with the truth."""
    receipts = parties.collect_receipts(local.state.path / "receipts.jsonl")
    operator, auditor = local.as_duty("OPERATOR"), local.as_duty("AUDITOR")
    claims = local.pages("payment", "/claims", bearer=operator, params={"limit": PAGE})
    claim_id = shown_claim(claims)
    asked = {"reason": REASON}
    replay, chain = (
        local.get("audit", f"/claims/{claim_id}/{what}", bearer=auditor, params=asked) if claim_id else {}
        for what in ("replay", "responsibility")
    )
    # Reading names is a fact too: the ledger is looked at only when that has arrived.
    wait_drained(local)
    facts = sum(_facts(EventTable(local, service)) for service in SERVICES)
    ledger = verified_ledger(f"{local.url('audit')}/log", ledger_vkey(local.state))
    year = dataset.days[0].date.year
    progress = local.get("audit", "/progress", bearer=auditor, params={"year": year})
    seen = Evidence(
        receipts=receipts,
        claims=claims,
        progress=progress,
        people_refused=people_refused,
        entries=ledger.entries,
    )
    observed = observe(dataset, seen)
    differences = [*compare(dataset.truth(), observed), *unattributed(dataset, receipts)]
    if facts != ledger.size:
        differences.append(
            f"账本 ledger: 应有 {facts} 个事实，实有 {ledger.size} / expected {facts} facts, it has {ledger.size}"
        )
    return Ending(
        observed=observed,
        progress=progress,
        receipts=len(receipts),
        ledger=ledger,
        differences=differences,
        claim_id=claim_id,
        replay=replay,
        responsibility=chain,
    )


def _facts(table: EventTable) -> int:
    """How many there are: positions have gaps where transactions were rolled back."""
    return sum(1 for _ in table.rows(table.look()[1]))


def _tell(ending: Ending, progress: Progress, state_name: str, *, serving: bool) -> None:
    teller = Teller()
    teller.regions(ending.progress)
    teller.refusals(ending.observed["refusals"])
    if ending.claim_id:
        teller.replay(ending.replay)
        teller.responsibility(ending.responsibility)
    ledger = ending.ledger
    teller.line()
    teller.line(
        f"账本已核验：{ledger.size} 个事实，根 {ledger.root} / "
        f"ledger verified: {ledger.size} facts, checkpoint {ledger.size} {ledger.root}"
    )
    teller.line(f"用时 / seconds: {progress.seconds:.1f}（{progress.told()}）")
    teller.next_steps(ending.claim_id, state_name, serving=serving)
    teller.line()
    teller.line(_verdict(ending))


def _shown(differences: Sequence[str]) -> list[str]:
    left = len(differences) - MOST_DIFFERENCES
    more = [f"… 另有 {left} 处 / and {left} more"] if left > 0 else []
    return [*differences[:MOST_DIFFERENCES], *more]


def _verdict(ending: Ending) -> str:
    if ending.differences:
        return f"与真值不一致：{len(ending.differences)} 处 / {len(ending.differences)} differences from the truth:"
    observed = ending.observed
    counted = sum(sum(family.values()) for family in observed["refusals"].values())
    claims, receipts = len(observed["claims"]), len(observed["receipts"])
    return (
        f"与真值一致：{receipts} 份回执、{claims} 笔申领、{counted} 次拒绝逐项相符 / "
        f"equal to the truth: {receipts} receipts, {claims} claims, {counted} refusals, each by itself"
    )


def _serve(progress: Progress) -> None:
    """Until Ctrl-C."""
    progress("运行中，按 Ctrl-C 全部停止 / serving; Ctrl-C stops everything")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _summary(ending: Ending, seconds: float) -> dict[str, Any]:
    return {
        "facts": ending.ledger.size,
        "receipts": ending.receipts,
        "refusals": ending.observed["refusals"],
        "regions": ending.observed["regions"],
        "paid_fen": ending.observed["totals"]["paid_fen"],
        "ledger": {"size": ending.ledger.size, "root": ending.ledger.root, "verified": True},
        "truth_equal": not ending.differences,
        "seconds": round(seconds, 1),
    }
