"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, functions, name_of, parsed, python_files

RULES = sorted((ROOT / "services").glob("*/domain/rules.py"))
BANNED = re.compile(
    r"Manager|Helper|Utils?(?![a-z])|Info(?![a-z])|Base(?![a-z])|Common|Processor|Data(?![a-z])"
)
BANNED_FILES = {
    "manager",
    "helper",
    "helpers",
    "util",
    "utils",
    "data",
    "info",
    "base",
    "common",
    "processor",
}
TERMS_OF_THE_LAW = {"PersonalDataRead"}
"""个人信息 is the law's own word (Personal Information Protection Law)."""
WIDE = {"Exception", "BaseException"}


def _classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in python_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def test_every_service_with_rules_was_found() -> None:
    """The next test must not pass because it looked nowhere."""
    assert {path.parents[1].name for path in RULES} >= {"enrolment", "certification", "payment"}


@pytest.mark.parametrize("path", RULES, ids=name_of)
def test_every_rule_cites_its_source(path: Path) -> None:
    """A function of `rules.py` says by which article or package entry it holds: a `Source:` line."""
    public = [each for each in functions(parsed(path)) if not each.name.startswith("_")]
    assert public
    assert [each.name for each in public if "Source:" not in (ast.get_docstring(each) or "")] == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    """Manager, Helper, Util, Data, Info, Base, Common and Processor are banned."""
    found = [f"{name_of(path)}: {node.name}" for path, node in _classes() if _says_nothing(node.name)]
    assert found == []


def _says_nothing(name: str) -> bool:
    return name not in TERMS_OF_THE_LAW and BANNED.search(name) is not None


def test_no_file_is_a_place_for_anything() -> None:
    """No `utils.py`: what is in a file can be told from its name."""
    assert [name_of(path) for path in python_files() if path.stem in BANNED_FILES] == []


def test_enrolment_is_spelt_in_one_way() -> None:
    """British `enrolment` in every name of ours."""
    american = re.compile(r"enroll(?!ed|ing|s\b)", re.IGNORECASE)
    assert [name_of(path) for path in python_files() if american.search(path.read_text("utf-8"))] == []


def test_no_fault_is_swallowed() -> None:
    """No handler of everything that does nothing, and no `suppress(Exception)`."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("services", "shared", "zeren", "bench", "tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, (ast.ExceptHandler, ast.Call)) and _swallows(node)
    ]
    assert found == []


def _swallows(node: ast.ExceptHandler | ast.Call) -> bool:
    if isinstance(node, ast.ExceptHandler):
        wide = node.type is None or bool(WIDE & _names(node.type))
        return wide and all(isinstance(each, (ast.Pass, ast.Continue)) for each in node.body)
    if ast.unparse(node.func).endswith("suppress"):
        return any(WIDE & _names(each) for each in node.args)
    return False


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def test_money_is_never_a_float() -> None:
    """A field or argument named `…_fen` is never a float, and fen are never divided with `/`."""
    found = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in python_files()
        for node in ast.walk(parsed(path))
        if _is_float_money(node)
    ]
    assert found == []


def _is_float_money(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return _is_fen(node.target) and "float" in ast.unparse(node.annotation)
    if isinstance(node, ast.arg):
        return (
            node.arg.endswith("_fen")
            and node.annotation is not None
            and "float" in ast.unparse(node.annotation)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _is_fen(node.left) or _is_fen(node.right)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
        return any(_is_fen(each) for each in node.args)
    return False


def _is_fen(node: ast.AST) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.endswith("_fen") or name == "fen"


MADE_LATE = {
    "shared/contracts/fact.py: fact",  # while modules load
    "shared/contracts/fact.py: register",
    "shared/contracts/shape.py: _decoder",  # of kinds whose structs stand
    "shared/policy/loading.py: read_package",  # before there are threads
}


def test_decoders_of_structs_are_made_while_modules_load() -> None:
    """Two threads that make msgspec decoders of one struct class at once end the process (a segmentation fault)."""
    found = {
        f"{name_of(path)}: {function.name}"
        for path in python_files("services", "shared")
        for function in functions(parsed(path))
        if any(map(_makes_a_decoder, ast.walk(function)))
    }
    assert found == MADE_LATE


def _makes_a_decoder(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    kinds = [keyword.value for keyword in node.keywords if keyword.arg == "type"]
    match node.func.attr:
        case "Decoder":
            return True
        case "decode" | "convert":
            return any(not isinstance(kind, ast.Subscript) for kind in kinds)  # list[…] has no fields
        case _:
            return False


def test_nothing_in_the_tests_is_skipped() -> None:
    """No skip, no expected failure: a test that can't run here is a fault of the set-up."""
    marks = {"skip", "skipif", "xfail", "importorskip"}
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("tests")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in marks
    ]
    assert found == []


def test_nothing_is_left_to_be_done_later() -> None:
    """No stub and no reminder: what is not there is said in the docs, not in the code."""
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b|NotImpl" r"ementedError")
    files = [*python_files(), *python_files("docs"), *python_files("tests")]
    assert [name_of(path) for path in files if marks.search(path.read_text("utf-8"))] == []


def test_packages_hold_one_docstring_and_nothing_else() -> None:
    """`__init__.py` says what the package is; importing it runs nothing."""
    found = []
    for path in python_files():
        body = parsed(path).body
        if path.name == "__init__.py" and not (len(body) == 1 and ast.get_docstring(parsed(path))):
            found.append(name_of(path))
    assert found == []
