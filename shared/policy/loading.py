"""Loads `policy/*.toml`, strictly: a start with a wrong package is no start."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shared.policy.book import PolicyBook
from shared.policy.checks import Finding, findings
from shared.policy.crosschecks import findings_between
from shared.policy.package import Package, PolicyPackage
from shared.policy.refusals import PolicyPackageError

MAX_PACKAGE_BYTES = 1 << 20
MAX_PACKAGES = 1_000

_AT = re.compile(r"^(?P<what>.*) - at `\$\.?(?P<where>.*)`$", re.DOTALL)


def load_packages(folder: Path) -> PolicyBook:
    """The book of a folder's packages.

    Raises:
        PolicyPackageError: the first thing wrong, in the order of file names. `check_folder` lists all.
    """
    packages, problems = _read_folder(folder)
    if problems:
        raise problems[0]
    return PolicyBook.of(packages)


def check_folder(folder: Path) -> tuple[PolicyPackageError, ...]:
    """Everything wrong in a folder, in the order of file names; empty when it can be loaded."""
    return tuple(_read_folder(folder)[1])


def read_package(file: str, raw: bytes) -> PolicyPackage:
    """One package from its file's bytes; only its types are checked.

    Raises: PolicyPackageError.
    """
    if len(raw) > MAX_PACKAGE_BYTES:
        large = f"超过 {MAX_PACKAGE_BYTES} 字节 / over {MAX_PACKAGE_BYTES} bytes"
        raise PolicyPackageError(file, "", large, "请拆分为多个政策包 / split it into several packages")
    try:
        content = msgspec.toml.decode(raw, type=Package)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        what, where = (found["what"], found["where"]) if found else (str(error), "")
        raise PolicyPackageError(
            file, where, f"字段不合规定：{what} / not as the format demands: {what}", _AS_DOCUMENTED
        ) from None
    except (msgspec.DecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyPackageError(
            file, "", f"不是合格的 TOML：{error} / not valid TOML: {error}", "请改正语法 / correct the syntax"
        ) from None
    return PolicyPackage(file=file, sha256=hashlib.sha256(raw).hexdigest(), content=content)


_AS_DOCUMENTED = (
    "请按 shared/policy/package.py 的字段改正 / correct it by the fields in shared/policy/package.py"
)


def _read_folder(folder: Path) -> tuple[list[PolicyPackage], list[PolicyPackageError]]:
    packages: list[PolicyPackage] = []
    problems: list[PolicyPackageError] = []
    files = sorted(folder.glob("*.toml"))
    if len(files) > MAX_PACKAGES:
        many = f"超过 {MAX_PACKAGES} 个文件 / over {MAX_PACKAGES} files"
        return [], [PolicyPackageError(folder.name, "", many, "请指定政策包目录 / name the policy's folder")]
    for path in files:
        try:
            package = read_package(path.name, _start_of(path))
        except PolicyPackageError as error:
            problems.append(error)
            continue
        packages.append(package)
        problems.extend(_error(package, finding) for finding in _alone(package))
    if not packages and not problems:
        missing = "没有政策包 / holds no policy package"
        problems.append(
            PolicyPackageError(folder.name, "", missing, "请指定含 *.toml 的目录 / name the folder")
        )
    if not problems:
        problems.extend(_error(package, finding) for package, finding in findings_between(packages))
    return packages, problems


def _start_of(path: Path) -> bytes:
    """A file's bytes, at most one more than a package may have."""
    with path.open("rb") as file:
        return file.read(MAX_PACKAGE_BYTES + 1)


def _alone(package: PolicyPackage) -> Iterator[Finding]:
    names = (f"{package.id}.toml", f"{package.id}@{package.version}.toml")
    if package.file not in names[package.version > 1 :]:
        yield Finding(
            "package",
            f"文件名与包名、版本不符 / the file's name is not {names[-1]}",
            f"请命名为 {names[-1]} / name it so",
        )
    yield from findings(package.content)


def _error(package: PolicyPackage, finding: Finding) -> PolicyPackageError:
    return PolicyPackageError(package.file, finding.entry, finding.problem, finding.remedy)
