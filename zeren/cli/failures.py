"""What the errors of every part mean to the caller: an exit code and a line. Loaded only once one has happened."""

from __future__ import annotations

import msgspec

from shared.contracts.codes.catalogue import text
from shared.policy.refusals import PolicyPackageError
from shared.refusal import Refusal
from shared.tlog.errors import TlogError
from zeren.institution.client import KafkaUnreachable
from zeren.institution.keys import KeyUnusable
from zeren.institution.onboarding import KeyNotAdopted
from zeren.institution.profile import ProfileUnusable
from zeren.institution.records import RecordsUnreadable
from zeren.stack.client import ServiceRefused, ServiceUnreachable
from zeren.stack.errors import StackError
from zeren.verify.errors import CheckerEnded, LedgerUnreachable

NO, USAGE, NOT_RUNNING = 1, 2, 3

_NO_ANSWER = (ServiceUnreachable, KafkaUnreachable, LedgerUnreachable, CheckerEnded)
_WRONGLY_CALLED = (KeyUnusable, ProfileUnusable, RecordsUnreadable, msgspec.MsgspecError)
_ANSWER_IS_NO = (StackError, KeyNotAdopted, TlogError, PolicyPackageError, ValueError)


def told(error: Exception) -> tuple[int, str] | None:
    """The exit code and what to print; None for a fault of our own, which deserves its traceback."""
    if isinstance(error, Refusal):
        return NO, f"{text(error.code)} [{error.code}]"
    if isinstance(error, _NO_ANSWER) or (isinstance(error, ServiceRefused) and error.status == 503):
        return NOT_RUNNING, str(error)
    if isinstance(error, _WRONGLY_CALLED):
        return USAGE, str(error)
    if isinstance(error, FileNotFoundError):
        return USAGE, f"没有文件 {error.filename} / no such file: {error.filename}"
    if isinstance(error, _ANSWER_IS_NO):
        return NO, str(error)
    return None
