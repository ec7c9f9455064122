"""What `make bench` is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bench.courses import FACTS_OF_A_CLASS
from bench.growth import MARKS
from zeren.stack.local import SERVICES

A, RAW, STOCK, LATENCY, GROWTH = "a", "b", "c", "latency", "growth"
LEDGER, REBUILD, REPLAY, DEMO = "ledger", "rebuild", "replay", "demo"
PARTS = (A, RAW, STOCK, LATENCY, GROWTH, LEDGER, REBUILD, REPLAY, DEMO)
"""In the order in which they are measured."""
LONG = (GROWTH, DEMO)
"""Only where asked for."""
CLASSES = -(-300_000 // FACTS_OF_A_CLASS)
QUICK = -(-20_000 // FACTS_OF_A_CLASS)
QUICK_MARKS = (30_000, 60_000)
STOCK_CLASSES, QUICK_STOCK_CLASSES = 7, 1
SECONDS, QUICK_SECONDS = 30.0, 3.0
RATE = 200.0
TRACED = 0.01
"""As in production; the local stack samples everything by default."""
WORKERS = 2
"""Of a split service: while one waits for its commit another decides."""


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, completed. Ends the process where they make no sense."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="测量真实全套服务 / measures the real stack; one class is "
        f'{FACTS_OF_A_CLASS} facts. ARGS="…" hands options on.',
    )
    _add_what(parser)
    _add_stack(parser)
    _add_how(parser)
    found = parser.parse_args(arguments)
    _complete(found)
    if unknown := [one for one in found.split if one not in SERVICES[:3]]:
        parser.error(f"不能拆分 / can't be split: {', '.join(unknown)}")
    if unknown := [one for one in found.parts if one not in PARTS]:
        parser.error(f"没有这部分 / no such part: {', '.join(unknown)}（{','.join(PARTS)}）")
    if min(found.classes, found.runs, found.in_flight, found.stock_classes, found.workers, *found.marks) < 1:
        parser.error("数目须为正 / counts must be positive")
    if not 0 <= found.traced <= 1:
        parser.error("比例在 0 与 1 之间 / a share lies between 0 and 1")
    if min(found.warm_up, found.lag) < 0 or min(found.rate, found.seconds) <= 0:
        parser.error("数目须为正 / counts must be positive")
    return found


def _add_what(parser: argparse.ArgumentParser) -> None:
    listed = ",".join(PARTS)
    default = ",".join(one for one in PARTS if one not in LONG)
    parser.add_argument(
        "--parts", metavar="NAMES", help=f"测量哪些部分 / which parts, of {listed} [{default}]"
    )
    parser.add_argument("--growth", action="store_true", help="另加增长部分 / the growth part too")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--classes", type=int, help=f"每次测量的班数 / classes of a measured run [{CLASSES}]")
    size.add_argument("--facts", type=int, help="或事实数 / or facts, rounded up to whole classes")
    parser.add_argument(
        "--quick", action="store_true", help=f"各部分冒烟 / smoke run of each: {QUICK} classes, …"
    )
    parser.add_argument(
        "--warm-up",
        type=int,
        metavar="CLASSES",
        help="预热班数（0 不预热）：新栈默认与测量同长，其用数另报 / classes of the run before, 0 none; by default as "
        "many as measured on a fresh stack, whose figure is reported too, a quarter on a kept one",
    )
    parser.add_argument("--runs", type=int, default=1, help="测量次数 / measured runs [1]")
    parser.add_argument(
        "--rate", type=float, default=RATE, help=f"开环每秒考勤表 / open loop, sheets a second [{RATE:g}]"
    )
    parser.add_argument("--seconds", type=float, help=f"开环时长 / open loop, seconds [{SECONDS:g}]")
    parser.add_argument(
        "--stock-classes", type=int, help=f"现成部件的班数 / classes of the stock parts [{STOCK_CLASSES}]"
    )
    listed = ",".join(map(str, MARKS))
    parser.add_argument(
        "--marks", metavar="FACTS", help=f"增长的各点 / growth: facts in the store [{listed}]"
    )


def _add_stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stack",
        choices=("fresh", "keep"),
        default="fresh",
        help="从空栈开始，或在留下的数据上继续 / from nothing, or on what an earlier bench left [fresh]",
    )
    parser.add_argument(
        "--split",
        default="enrolment",
        help="worker、relay 各自成进程的服务 / services whose worker and relay run apart, or none [enrolment]",
    )
    parser.add_argument(
        "--workers", type=int, default=WORKERS, help=f"其 worker 进程数 / workers of each of them [{WORKERS}]"
    )
    parser.add_argument("--state", default="bench", help="状态目录名 / state folder's name [bench]")


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in-flight", type=int, default=4_000, help="每服务未答复上限 / unanswered a service [4000]"
    )
    parser.add_argument("--lag", type=int, default=12, help="步间相隔班数 / classes between two steps [12]")
    parser.add_argument(
        "--profile",
        default="",
        metavar="NAMES",
        help="剖析这些进程 / profile these processes in part (a): enrolment-worker,audit,load,…,postgres; files in "
        ".local/bench-profile/",
    )
    parser.add_argument(
        "--no-check",
        action="store_true",
        help="略去事后全库核对（数字不成立）/ leave out the "
        "checks that read every store again; then it is no figure",
    )
    parser.add_argument(
        "--traced",
        type=float,
        default=TRACED,
        metavar="SHARE",
        help=f"采样轨迹的比例 / share of traces that are sampled [{TRACED:g}]",
    )
    parser.add_argument("--seed", type=int, default=1, help="随机种子 / seed [1]")


def _complete(found: argparse.Namespace) -> None:
    """Puts in what follows from other options."""
    if found.facts is not None:
        found.classes = -(-found.facts // FACTS_OF_A_CLASS)
    if found.classes is None:
        found.classes = QUICK if found.quick else CLASSES
    if found.warm_up is None:
        found.warm_up = found.classes if found.stack == "fresh" else found.classes // 4
    if found.seconds is None:
        found.seconds = QUICK_SECONDS if found.quick else SECONDS
    if found.stock_classes is None:
        found.stock_classes = QUICK_STOCK_CLASSES if found.quick else STOCK_CLASSES
    default = QUICK_MARKS if found.quick else MARKS
    found.marks = sorted(map(int, found.marks.split(","))) if found.marks else list(default)
    found.split = [one for one in found.split.split(",") if one and one != "none"]
    found.profile = [one for one in found.profile.split(",") if one]
    named = found.parts.split(",") if found.parts else [one for one in PARTS if one not in LONG]
    found.parts = [*named, *([GROWTH] if found.growth and GROWTH not in named else [])]
