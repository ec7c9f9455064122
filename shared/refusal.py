"""Refusals: the rules say no.

    Refusal                 expected; carries a permanent code; never retried
    └── one class a reason  in the file of the aggregate that refuses

A refusal is an answer, not a fault. At the edge it becomes a receipt (`SubmissionRejected`) or an HTTP
409/422; where a public body must answer for it, it is also a fact. The texts and sources stand once a code
in `shared.contracts.codes`.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """The rules refuse a command.

    Attributes:
        code: permanent, machine readable, `<thing>.<why_not>`; its Chinese and English texts and its source
            stand in `shared.contracts.codes`.
        field: JSON path of the submitted field at fault, or "" when the whole is refused. Never a value.
    """

    code: ClassVar[str]

    def __init__(self, field: str = "") -> None:
        super().__init__(self.code)
        self.field = field
