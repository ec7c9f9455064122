"""What contract classes and their fields mean, in Chinese and in English: `meanings.toml` and the docstrings."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

ROWS = Path(__file__).with_name("meanings.toml")
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
_CHINESE_TERM = re.compile(r"^[^\x00-\x7f]+: ")
"""At the beginning of a docstring, "已支付: …": the rows have it."""


class Meaning(NamedTuple):
    """A meaning in both languages."""

    zh: str
    en: str

    @property
    def both(self) -> str:
        """Chinese first; one of them where the other has nothing to say."""
        return " / ".join(text for text in self if text)


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(ROWS.read_text("utf-8"))


def term(cls: type) -> str:
    """The Chinese term of a contract class, "已支付"."""
    return _row(cls).partition("：")[0]


def meaning(cls: type) -> Meaning:
    """What a contract class says. The English is its docstring up to the attributes, on one line."""
    said = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:")[0]
    return Meaning(_row(cls).partition("：")[2], _CHINESE_TERM.sub("", " ".join(said.split())))


def _row(cls: type) -> str:
    return str(_rows()["types"].get(cls.__name__, ""))


def field_meaning(cls: type, name: str) -> Meaning:
    """What a field of a contract class says."""
    fields = _rows()["fields"]
    zh, en = fields.get(f"{cls.__name__}.{name}") or fields.get(name) or ("", "")
    return Meaning(zh, _attributes(cls).get(name, en))


def _attributes(cls: type) -> Mapping[str, str]:
    """The `Attributes` of a docstring by name, each on one line."""
    _, _, attributes = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")
    return {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(attributes)}


def faults(classes: Iterable[type]) -> list[str]:
    """What is wrong with the rows, for people; empty where every class and field has its meaning."""
    types, fields = set(_rows()["types"]), set(_rows()["fields"])
    wanted_types: set[str] = set()
    wanted_fields: set[str] = set()
    missing: list[str] = []
    for cls in classes:
        wanted_types.add(cls.__name__)
        missing += [] if term(cls) and all(meaning(cls)) else [cls.__name__]
        for name in (field.name for field in msgspec.structs.fields(cls)):
            wanted_fields |= {name, f"{cls.__name__}.{name}"}
            missing += [] if all(field_meaning(cls, name)) else [f"{cls.__name__}.{name}"]
    where = ROWS.name
    return [
        *(f"{where} 缺少 {name} 的中英文含义 / {where} lacks the meaning of {name}" for name in missing),
        *(
            f"{where} 的 {name} 无人使用，请删除 / {where} has {name}, which nothing is named: delete it"
            for name in sorted((types - wanted_types) | (fields - wanted_fields))
        ),
    ]
