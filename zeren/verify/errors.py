"""Why the caller's side could not say yes.

TlogError                     shared.tlog.errors: the bytes, signatures, hashes are wrong
└── VerifyError
    ├── LedgerUnreachable     no answer, or not one of a ledger
    ├── NoLedger              nothing at this place is a ledger
    ├── AnswerTooLarge        more bytes than the resource can have
    ├── CheckerEnded          a process of the check ended before its answer
    ├── FactNotFound          no entry served has the fact's id
    └── LedgerRewritten       the ledger no longer begins with what it signed before
"""

from __future__ import annotations

import signal

from shared.tlog.errors import TlogError


class VerifyError(TlogError):
    """The check could not be carried through, or the ledger broke its word."""


class LedgerUnreachable(VerifyError):
    """The ledger does not answer; try again, or ask its operator. Says nothing about its entries."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            f"无法读取账本 {where}：{why}。请检查地址和网络",
            f"cannot read the ledger at {where}: {why}. Check the address and the network",
        )


class NoLedger(VerifyError):
    """Nothing at this place is a ledger: it has no checkpoint."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} 不是账本：没有 checkpoint。请核对地址（网址须以 /log 结尾）",
            f"{where} is no ledger: it has no checkpoint. Check the address (a URL ends in /log)",
        )


class AnswerTooLarge(VerifyError):
    """The server sends more than the resource can have; the rest was not read."""

    def __init__(self, path: str, limit: int) -> None:
        super().__init__(
            f"{path} 超过该资源的上限 {limit} 字节，已停止读取",
            f"{path} is above the {limit} bytes that it can have; reading stopped",
        )


class CheckerEnded(VerifyError):
    """A process of the check was killed or failed: run it again. Says nothing about the ledger's entries."""

    def __init__(self, code: int | None) -> None:
        """`code` is its exit code, negative for a signal; None if it answered what no answer is."""
        zh, en = "答复无法识别", "its answer is none"
        if code is not None:
            zh, en = (f"退出码 {code}", f"exit code {code}") if code >= 0 else _by_signal(-code)
        super().__init__(
            f"核验未完成：一个核验进程中途结束（{zh}）。这不说明账本有误，请重新核验",
            f"the check was not finished: one of its processes ended midway ({en}). "
            "This says nothing about the ledger, run it again",
        )


class FactNotFound(VerifyError):
    """No entry served has this id.

    The entries were not proven while searching: that the ledger hides the fact is excluded only by `verify`.
    """

    def __init__(self, fact: str, size: int) -> None:
        super().__init__(
            f"账本所给的 {size} 条记录中没有事实 {fact}。请核对编号，并用 zeren ledger verify 排除隐瞒",
            f"none of the {size} entries served is the fact {fact}. Check the id; "
            "zeren ledger verify rules out that it is hidden",
        )


class LedgerRewritten(VerifyError):
    """Two checkpoints of the ledger's own signature contradict each other: keep both as evidence."""

    def __init__(self, older: int, newer: int) -> None:
        super().__init__(
            f"账本现有 {newer} 条，不以先前签名的 {older} 条为开头："
            "历史被改写或回退，请保存两份检查点作为证据",
            f"the ledger of {newer} entries does not begin with the {older} that it signed before: "
            "history was rewritten or rolled back, keep both checkpoints as evidence",
        )


def _by_signal(number: int) -> tuple[str, str]:
    if number == signal.SIGKILL:
        return "被强制结束，信号 9，可能内存不足", "killed by signal 9, memory may be short"
    return f"信号 {number}", f"signal {number}"
