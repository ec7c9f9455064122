"""Every reason that anybody can be given has a text in both languages."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import services
import shared
from shared.contracts.codes import audit, certification, enrolment, intake, payment
from shared.contracts.codes.catalogue import CATALOGUE
from shared.contracts.codes.code import Code
from shared.refusal import Refusal
from tests.architecture.tree import name_of, parsed, python_files

MODULES = (intake, enrolment, certification, payment, audit)
CODE_FORM = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _walk(package: ModuleType) -> None:
    """Import every module, so that every refusal is defined; entry points and migrations define none."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith((".__main__", ".env")) and ".versions." not in found.name:
            importlib.import_module(found.name)


def _refusals(cls: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [found for child in cls.__subclasses__() for found in (child, *_refusals(child))]


def test_every_refusal_has_its_code_in_the_catalogue() -> None:
    """Whoever is refused can look the reason up."""
    _walk(services)
    _walk(shared)
    found = [cls for cls in _refusals() if cls.__module__.startswith(("services.", "shared."))]
    assert len(found) > len(MODULES)
    assert [f"{cls.__module__}.{cls.__name__}" for cls in found if cls.code not in CATALOGUE] == []


def test_every_code_written_in_the_code_is_in_the_catalogue() -> None:
    """A literal `code=…` or `"code": …` in a service or the kernel is a code of the catalogue."""
    unknown = [
        f"{name_of(path)}: {code}"
        for path in python_files("services", "shared")
        for code in _written_codes(parsed(path))
        if code not in CATALOGUE
    ]
    assert unknown == []


def _written_codes(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            found.append(node.value)
        elif isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            found += [value for key, value in zip(keys, node.values, strict=True) if key == "code"]
    texts = [node.value for node in found if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if "." in text]


def test_no_code_stands_twice() -> None:
    """The catalogue is a dictionary: a second entry would silently win."""
    codes = [code.code for module in MODULES for code in module.CODES]
    assert sorted(codes) == sorted(CATALOGUE)


@pytest.mark.parametrize("code", CATALOGUE.values(), ids=lambda code: code.code)
def test_a_code_has_a_plain_name_and_both_texts(code: Code) -> None:
    """`<thing>.<why_not>`, Chinese and English."""
    assert CODE_FORM.fullmatch(code.code)
    assert CHINESE.search(code.zh)
    assert code.en
    assert not CHINESE.search(code.en)
