"""What the rules may say of a submission besides yes."""

from __future__ import annotations


class Refused(Exception):
    """No, with every reason's code."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = sorted(set(codes))


class Waits(Exception):
    """Not yet: something that it names is not there."""


RefusedLines = list[tuple[int, str]]
"""Line number and code of each line that took no effect, in a submission that is accepted."""
