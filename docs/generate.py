"""Writes the contracts and the documents that follow from the code, or says that they are stale.

python -m docs.generate              writes them (`make docs`)
python -m docs.generate --check      exits 1 where they differ or break what was published (`make check`)
python -m docs.generate --publish    at a release: what is there now is published (`make publish`)

Written: contracts/schemas/, contracts/asyncapi.json, docs/events.md, docs/catalogue.html, docs/codes.md,
docs/metrics.md, and the generated parts of docs/architecture.md. Published: contracts/published.json, one line a type;
it is only ever added to.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docs.generation import architecture, asyncapi, catalogue, metrics, page
from docs.generation.compatibility import bare, refusals
from docs.generation.meanings import faults
from docs.generation.schemas import contract_classes, encoded, schemas
from shared.contracts.codes.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "contracts" / "schemas"
PUBLISHED = ROOT / "contracts" / "published.json"


@cache
def documents() -> Mapping[str, str]:
    """Every generated file by its path within the project."""
    contracts = {
        f"contracts/schemas/{name}.json": encoded(schema) + "\n" for name, schema in schemas().items()
    }
    return contracts | {
        "contracts/asyncapi.json": encoded(asyncapi.document(_version())) + "\n",
        "docs/events.md": "\n".join(catalogue.markdown()),
        "docs/catalogue.html": page.page(),
        "docs/codes.md": "\n".join(_codes()),
        architecture.PAGE: architecture.filled(),
        "docs/metrics.md": "\n".join(metrics.markdown()),
    }


def _version() -> str:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def _codes() -> Iterator[str]:
    yield "# 原因代码 / Reason codes\n"
    yield catalogue.GENERATED
    yield (
        "回执与 HTTP 拒绝所用的全部代码；代码永久不变。/ Every code of receipts and HTTP refusals; codes are "
        "permanent. `zeren codes` prints the same.\n"
    )
    yield "| code | 中文 | English | 依据 / source |\n|---|---|---|---|"
    for code in sorted(CATALOGUE.values()):
        cells = (f"`{code.code}`", code.zh, code.en, code.source)
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
    yield ""


def stale() -> list[str]:
    """Generated files that are missing, differ from what would be written, or belong to no type any more."""
    wrong = [
        name
        for name, content in documents().items()
        if not (ROOT / name).exists() or (ROOT / name).read_text("utf-8") != content
    ]
    there = (path.relative_to(ROOT).as_posix() for path in SCHEMAS.glob("*"))
    return wrong + sorted(name for name in there if name not in documents())


def published() -> dict[str, Any]:
    """The schemas of the last release, by type."""
    found: dict[str, Any] = json.loads(PUBLISHED.read_text("utf-8")) if PUBLISHED.exists() else {}
    return found


def broken() -> list[str]:
    """How the contracts as they are break what was published, for people."""
    return refusals(published(), schemas())


def publish() -> list[str]:
    """Publishes the contracts as they are; the names that are new. Refuses to change what was published."""
    before = published()
    now = before | {name: bare(schema) for name, schema in schemas().items()}
    rows = [f"{json.dumps(name)}: {json.dumps(now[name], ensure_ascii=False)}" for name in sorted(now)]
    PUBLISHED.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
    return sorted(now.keys() - before.keys())


def write() -> None:
    """Writes every generated file; a schema whose type is gone goes too."""
    for name in stale():
        path = ROOT / name
        if name in documents():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(documents()[name], "utf-8")
        else:
            path.unlink()


def _wrong() -> Iterator[str]:
    yield from faults(contract_classes())
    yield from broken()
    yield from (f"{name} 已过期：请运行 make docs / {name} is stale: run make docs" for name in stale())


def main(arguments: list[str]) -> int:
    """Writes; with `--check` only compares, with `--publish` sets what later changes are compared with."""
    if arguments == ["--check"]:
        wrong = list(_wrong())
        sys.stderr.writelines(f"{line}\n" for line in wrong)
        return int(bool(wrong))
    if arguments == ["--publish"]:
        if wrong := broken():
            sys.stderr.writelines(f"{line}\n" for line in wrong)
            return 1
        sys.stdout.writelines(f"{name} 已发布 / published\n" for name in publish())
        return 0
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
