"""Which attribute names are current, by the conventions' own text."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

from opentelemetry.semconv._incubating.attributes import cloudevents_attributes, messaging_attributes
from opentelemetry.semconv.attributes import error_attributes, http_attributes

MODULES = (messaging_attributes, cloudevents_attributes, http_attributes, error_attributes)


def current(module: ModuleType) -> set[str]:
    """The attribute names of a module of the conventions whose own text does not call them deprecated."""
    assert module.__file__ is not None
    body = ast.parse(Path(module.__file__).read_text("utf-8")).body
    found = set()
    for statement, text in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
            continue
        told = text.value.value if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) else ""
        if "deprecated" not in str(told).lower():
            found.add(statement.value.value)
    return found


CURRENT = {name for module in MODULES for name in current(module)}
