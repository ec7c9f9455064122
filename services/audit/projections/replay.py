"""Telling a case again: its facts in an order that makes sense, the state folded anew, the rules that decided.

Pure: from rows and entries. An auditor can do the same from the ledger's tiles alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from services.audit.projections.claims import stands
from shared.contracts.fact import UnknownFactType, decode
from shared.contracts.trace import DecisionTrace, PolicyRef, TraceStep
from shared.eventstore.upsert import Row
from shared.policy.book import PolicyBook
from shared.policy.describe import entry_rows, marks
from shared.tlog.hashing import leaf_hash


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Facts by business date and time, each stream in the order of its versions.

    A fact that waited was taken in before facts that precede it in its stream: it then comes after those.
    """
    streams: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["subject"], row["streamversion"])):
        streams[row["subject"]].append(row)
    keyed = []
    for stream in streams.values():
        latest = (stream[0]["businessdate"], stream[0]["occurredat"])
        first = stream[0]["index"]
        for row in stream:
            latest = max(latest, (row["businessdate"], row["occurredat"]))
            keyed.append((*latest, first, row["streamversion"], row))
    return [found[-1] for found in sorted(keyed, key=lambda found: found[:-1])]


def told(row: Row, entry: bytes) -> Row:
    """One fact as an auditor reads it: its place in the ledger, its leaf hash, and the document itself."""
    return {"index": row["index"], "leaf_hash": leaf_hash(entry).hex(), "fact": msgspec.Raw(entry)}


def state_of(claim_id: str, rows: Sequence[Row], entries: Mapping[int, bytes]) -> Row | None:
    """The claim's state, folded from the entries of its own stream."""
    own = sorted((row for row in rows if row["subject"] == claim_id), key=lambda row: row["streamversion"])
    facts = []
    for row in own:
        try:
            facts.append((row["index"], decode(entries[row["index"]], row["type"])))
        except (UnknownFactType, msgspec.MsgspecError):
            continue
    return stands(facts)


class _Traced(msgspec.Struct, frozen=True):
    trace: DecisionTrace | None = None


class _Decided(msgspec.Struct, frozen=True):
    data: _Traced


_decided = msgspec.json.Decoder(_Decided)


def traces_of(rows: Sequence[Row], entries: Mapping[int, bytes], book: PolicyBook) -> list[Row]:
    """The decision traces in these facts, each step with its citation and its DEMO or UNVERIFIED mark."""
    found = []
    for row in rows:
        try:
            trace = _decided.decode(entries[row["index"]]).data.trace
        except msgspec.MsgspecError:
            continue
        if trace is not None:
            found.append(_trace(row, trace, book))
    return found


def _trace(row: Row, trace: DecisionTrace, book: PolicyBook) -> Row:
    return {
        "fact_id": row["fact_id"],
        "type": row["type"],
        "result": trace.result,
        "amount_fen": trace.amount_fen,
        "marks": list(marks(demo=trace.demo, verified=trace.verified)) if any(trace.refs) else [],
        "steps": [_step(step, book) for step in trace.steps],
    }


def _step(step: TraceStep, book: PolicyBook) -> Row:
    told_step: Row = {
        "rule": step.rule,
        "inputs": step.inputs,
        "result": step.result,
        "amount_fen": step.amount_fen,
        "over": list(step.over),
        "policy": None,
    }
    if step.ref is not None:
        told_step["policy"] = _policy(step.ref, book)
    return told_step


def _policy(ref: PolicyRef, book: PolicyBook) -> Row:
    """The place that answered. `unchanged` is false where the package is absent or its file has other bytes now."""
    cited: Row = {"name": ref.name, "citation": "", "zh": "", "en": "", "unchanged": False}
    cited["marks"] = list(marks(demo=ref.demo, verified=ref.verified))
    try:
        package = book.package(ref.package, ref.version)
    except KeyError:
        return cited
    cited["unchanged"] = ref.sha256 in ("", package.sha256)
    entries = {row.entry: row for row in entry_rows(package)}
    for name in _entry_names(ref.entry):
        if name in entries:
            row = entries[name]
            return {**cited, "citation": row.citation, "zh": row.zh, "en": row.en}
    return cited


def _entry_names(entry: str) -> Sequence[str]:
    """How `policy show` may name the entry of a reference."""
    spaced = entry.replace("/", " ")
    kinds = ("standards", "uplifts", "targets", "listed", "codes")
    return (entry, *(f"{kind}[{name}]" for kind in kinds for name in (entry, spaced)))
