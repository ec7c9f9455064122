"""Base64 as signed notes use it: RFC 4648 §4, and only the one spelling of each value."""

from __future__ import annotations

from base64 import b64decode, b64encode


def to_base64(value: bytes) -> str:
    """Standard base64 with padding."""
    return b64encode(value).decode("ascii")


def from_base64(text: str) -> bytes | None:
    """The value, or None for anything but its standard padded spelling (stray bits are refused)."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        return None
    return value if to_base64(value) == text else None
