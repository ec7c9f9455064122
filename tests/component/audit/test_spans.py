"""The span store on a real database: written by OTLP, read by trace, swept when old; never more than once told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, func, select, update

from services.audit.spans.received import Kept
from services.audit.spans.store import SWEPT_AT_ONCE, Sweeper, spans_of, write_spans
from services.audit.spans.tables import spans
from shared.telemetry.collector import Collector
from shared.telemetry.conventions import processing
from shared.telemetry.export import exporting
from shared.telemetry.tracing import now
from shared.telemetry.wire import Span, encode_span, varint
from shared.tlog.notes import Signer
from tests.component.audit.serving import TRACE_TOKEN, audit_app, serving

SHAPE = processing("zeren.enrolment.facts.v1", "payment.policies")
AUDITOR, OPERATOR, HANDLER = "handler:h-900:AUDITOR", "handler:h-901:OPERATOR", "handler:h-008:D8"


@pytest.fixture
def url(engine: Engine, signer: Signer) -> Iterator[str]:
    with serving(audit_app(engine, str(signer.vkey))) as base:
        yield base


def _get(url: str, token: str, *traces: str) -> httpx.Response:
    query = {"trace": list(traces)}
    return httpx.get(
        f"{url}/spans", params=query, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )


def _count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(spans)) or 0


def test_what_is_exported_is_read_by_its_trace(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By auditors and operators; other traces' spans are not among them, and a repeat is told once."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    collector = Collector(f"{url}/v1/traces", {"authorization": f"Bearer {TRACE_TOKEN}"})
    start = now()
    with exporting("payment", collector) as tracing:
        root, other = tracing.child(), tracing.child()
        child = tracing.child(root)
        tracing.record(SHAPE, root, start=start, end=start + 9)
        for _ in range(2):
            tracing.record(SHAPE, child, start=start + 1, parent=root, links=(other,), error="KafkaError")
        tracing.record(SHAPE, other, start=start)
    with engine.connect() as connection:
        assert connection.scalars(select(spans.c.count)).all() == [4]
    answer = _get(url, AUDITOR, root[3:35])
    assert answer.status_code == 200, answer.text
    told = answer.json()
    first, second = told["spans"]
    assert (first["span"], first["parent"], first["service"]) == (root[36:52], "", "payment")
    assert (first["start_ns"], first["end_ns"]) == (start, start + 9)
    assert (second["parent"], second["error"]) == (root[36:52], "KafkaError")
    assert second["links"] == [{"trace": other[3:35], "span": other[36:52]}]
    assert second["attributes"]["messaging.consumer.group.name"] == "payment.policies"
    assert (told["days"], told["complete"]) == (7, True)
    assert datetime.fromisoformat(told["since"]) <= datetime.now(UTC)
    assert len(_get(url, OPERATOR, root[3:35], other[3:35]).json()["spans"]) == 3


@pytest.mark.parametrize("token", [HANDLER, "person:p:", "nobody"])
def test_others_may_not_read(url: str, token: str) -> None:
    assert _get(url, token, "a" * 32).status_code in (401, 403)


@pytest.mark.parametrize("traces", [[], ["A" * 32], ["a" * 31], ["a" * 32] * 51])
def test_only_trace_ids_are_asked_for_and_not_too_many(url: str, traces: list[str]) -> None:
    assert _get(url, AUDITOR, *traces).status_code == 422


def _write(engine: Engine, rows: int, each: int = 1) -> None:
    context = f"00-{'a' * 32}-{'b' * 16}-01"
    encoded = encode_span(Span(SHAPE, context, "", 1, 2, {}, (), ""))
    one = b"\x12" + varint(len(encoded)) + encoded
    write_spans(engine, [Kept("payment", {b"\xaa" * 4}, [one] * each)] * rows)


def _age(engine: Engine, days: float, *, up_to: int) -> None:
    at = datetime.now(UTC) - timedelta(days=days)
    with engine.begin() as connection:
        connection.execute(update(spans).where(spans.c.id <= up_to).values(received_at=at))


def test_spans_past_their_days_are_swept(engine: Engine) -> None:
    """A bounded number of rows at once, the oldest first; younger ones stay."""
    _write(engine, SWEPT_AT_ONCE + 30)
    _age(engine, 7.1, up_to=SWEPT_AT_ONCE + 10)
    sweeper = Sweeper(engine, 7)
    assert [sweeper.sweep_some() for _ in range(3)] == [SWEPT_AT_ONCE, 10, 0]
    assert _count(engine) == 20


def test_too_many_spans_are_swept_whatever_their_age(engine: Engine) -> None:
    """The disk has an end: the newest stay."""
    _write(engine, 50, each=3)
    sweeper = Sweeper(engine, 7, most=60)
    assert [sweeper.sweep_some() for _ in range(2)] == [30, 0]
    with engine.connect() as connection:
        assert connection.scalar(select(func.min(spans.c.id))) == 31
    _write(engine, 10, each=3)
    assert sweeper.sweep_some() == 10


def test_traces_that_share_the_beginning_of_their_ids_are_told_apart(engine: Engine) -> None:
    """The key only narrows the search; an answer that holds too many says so."""
    contexts = [f"00-{'a' * 8}{digit * 24}-{'b' * 16}-01" for digit in "01"]
    encoded = [encode_span(Span(SHAPE, context, "", 1, 2, {}, (), "")) for context in contexts]
    rows = [b"\x12" + varint(len(one)) + one for one in encoded]
    write_spans(engine, [Kept("audit", {b"\xaa" * 4}, rows)])
    with engine.connect() as connection:
        found, complete = spans_of(connection, [contexts[1][3:35]])
    assert ([row["trace"] for row in found], complete) == ([contexts[1][3:35]], True)
