"""What a code is."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A reason, permanent.

    Attributes:
        code: `<thing>.<why_not>`.
        zh: what is wrong and what to do.
        en: the same in English.
        source: the article or package entry that rules it; "" for a technical rule.
    """

    code: str
    zh: str
    en: str
    source: str = ""
