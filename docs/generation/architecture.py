"""What `docs/architecture.md` says that the code knows better: the layers, and which facts go from whom to whom."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.generation.meanings import term
from docs.generation.parties import CHINESE, LEDGER, POLICY, REACTION, READ_MODEL, Reader, readers
from shared.contracts.fact import SERVICES, FactType, registered

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/architecture.md"
DECIDING = (POLICY, REACTION)
OTHERS = "其余各家 / all others"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled() -> str:
    """The page with its generated parts written anew; the rest is written by hand, as it is."""
    page = (ROOT / PAGE).read_text("utf-8")
    assert {name for _, name, _ in _PART.findall(page)} == set(PARTS), f"{PAGE} lacks a generated part"
    return _PART.sub(lambda part: part[1] + "\n".join(PARTS[part[2]]()) + "\n" + part[3], page)


def _layers() -> Iterator[str]:
    """From `pyproject.toml`, where the import linter reads them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    yield "| 包 / package | 自上而下 / from the top |\n|---|---|"
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            yield f"| {_containers(contract)} | {' → '.join(map(_layer, contract['layers']))} |"


def _containers(contract: Mapping[str, Any]) -> str:
    first, *others = contract["containers"]
    return f"`{first.split('.')[0]}.*`" if others else f"`{first}`"


def _layer(line: str) -> str:
    """Siblings of one layer; what not every package has stands in brackets."""
    return " · ".join(line.replace("(", "[").replace(")", "]").split(" | "))


def _map() -> Iterator[str]:
    """Mermaid: an arrow from a service to each that decides by its facts, and one to the ledger."""
    yield "```mermaid\nflowchart LR"
    for service in SERVICES:
        yield f"    {service}({service})"
    yield f'    others(["{OTHERS}"])'
    yield '    ledger[("账本 / ledger")]'
    for (source, target), facts in _between().items():
        names = "<br/>".join(entry.title for entry in facts)
        yield f"    {source} -- {names} --> {'others' if target == OTHERS else target}"
    for service in SERVICES:
        yield f"    {service} -. {sum(entry.service == service for entry in _ledgered())} .-> ledger"
    yield "```"


def _facts() -> Iterator[str]:
    yield "| 从 / from | 到 / to | 事实，与采纳它的函数 / facts, and the functions that take them in |\n|---|---|---|"
    for (source, target), facts in _between().items():
        told = (f"{entry.title} {term(entry.cls)} ({_named(names)})" for entry, names in facts.items())
        yield f"| {source} | {target} | {'；'.join(told)} |"
    for service in SERVICES:
        models = {
            reader.name for entry in registered() for reader in readers(entry) if _is_model(reader, service)
        }
        source = "账本 / ledger" if service == "audit" else service
        yield f"| {source} | {service} 的{CHINESE[READ_MODEL]} / read models | {_named(sorted(models))} |"
    kinds = len(_ledgered())
    yield f"| 全部 / all | {CHINESE[LEDGER]} / ledger | 全部 {kinds} 种事实 / every one of {kinds} kinds of facts |"


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _between() -> dict[tuple[str, str], dict[FactType, list[str]]]:
    """By (from, to), the facts by which another service decides, each with the functions that take it in there.

    What every other service follows stands once, to all of them.
    """
    found: dict[tuple[str, str], dict[FactType, list[str]]] = {}
    for entry in registered():
        takers: dict[str, list[str]] = {}
        for reader in readers(entry):
            if reader.kind in DECIDING and reader.party != entry.service:
                takers.setdefault(reader.party, []).append(reader.name)
        if len(takers) == len(SERVICES) - 1:
            takers = {OTHERS: sorted({name for names in takers.values() for name in names})}
        for party, names in takers.items():
            found.setdefault((entry.service, party), {})[entry] = names
    places = {name: place for place, name in enumerate((*SERVICES, OTHERS))}
    return dict(sorted(found.items(), key=lambda one: tuple(places[name] for name in one[0])))


def _is_model(reader: Reader, service: str) -> bool:
    return (reader.kind, reader.party) == (READ_MODEL, service)


def _ledgered() -> list[FactType]:
    return [entry for entry in registered() if any(reader.kind == LEDGER for reader in readers(entry))]


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {"layers": _layers, "map": _map, "facts": _facts}
