"""Names under which enrolment reserves and waits: the same where facts take effect and where they are asked for."""

from __future__ import annotations

CLASSES = "class"
"""Reservation scope: class id → institution. Tells whether an id that a person names is a class at all."""
SESSIONS = "session"
"""Reservation scope: session id → class id. A session reference is unique within its institution."""
KEYS = "institution-key"
"""Reservation scope: key id → USCC. A key id is unique in the province."""


def roster(class_id: str) -> str:
    """Reservation scope of a class: person id → enrolment id. Its size is how many sit in the class."""
    return f"class-roster/{class_id}"


def class_approved(class_id: str) -> str:
    """Awaited: the class's approval."""
    return f"class-approved:{class_id}"


def enrolled(enrolment_id: str) -> str:
    """Awaited: the enrolment."""
    return f"enrolment:{enrolment_id}"


def sheet(session_id: str) -> str:
    """Awaited: the session's sheet."""
    return f"sheet:{session_id}"
