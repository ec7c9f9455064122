"""Contexts are text; only sampled spans are recorded; nothing that comes from outside forces anything."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    DEFAULT_OFF,
    ParentBasedTraceIdRatio,
    TraceIdRatioBased,
)

from shared.telemetry.conventions import FACTS, processing, sending, sending_page
from shared.telemetry.traceparent import is_sampled, trace_id, well_formed
from shared.telemetry.tracing import OFF, Around, Batch
from shared.telemetry.wire import MAX_LINKS
from tests.domain.telemetry.recorded import MALFORMED, PARENT, TRACE, UNSAMPLED, recording

SHAPE = processing("topic", "group")


def test_a_child_stays_in_the_trace_of_its_parent() -> None:
    """With a span id of its own, and sampled as its parent is."""
    tracing, _ = recording()
    for parent in (PARENT, UNSAMPLED):
        child = tracing.child(parent)
        assert well_formed(child)
        assert trace_id(child) == TRACE
        assert child[36:52] != parent[36:52]
        assert is_sampled(child) is is_sampled(parent)


@pytest.mark.parametrize("header", MALFORMED)
def test_what_is_no_trace_context_begins_a_trace_of_its_own(header: str) -> None:
    """Nothing of it is taken over, and its span is a root."""
    tracing, recorded = recording()
    context = tracing.child(header)
    assert well_formed(context)
    assert trace_id(context) not in ("", TRACE)
    tracing.record(SHAPE, context, start=1, parent=header)
    assert [(span.context, span.parent) for span in recorded.spans] == [(context, "")]


@pytest.mark.parametrize("flags", ["00", "02", "fe"])
def test_what_its_sender_did_not_sample_is_not_recorded(flags: str) -> None:
    """Its context goes on all the same."""
    tracing, recorded = recording()
    context = tracing.child(f"{PARENT[:53]}{flags}")
    tracing.record(SHAPE, context, start=1, parent=PARENT)
    assert (trace_id(context), context[-2:], recorded.spans) == (TRACE, "00", [])


def test_other_flags_of_a_header_are_not_taken_over() -> None:
    """Of its flags only the sampled one is heeded."""
    tracing, _ = recording()
    assert tracing.child(f"{PARENT[:53]}ff")[-2:] == "01"


def test_a_sampler_may_pass_over_what_a_header_says() -> None:
    """One that isn't parent-based decides by itself, so that no sender can have everything recorded."""
    assert not is_sampled(recording(TraceIdRatioBased(0.0))[0].child(PARENT))
    assert is_sampled(recording(ALWAYS_ON)[0].child(UNSAMPLED))


def test_a_ratio_is_kept_for_traces_that_begin_here() -> None:
    """Parent-based: the header's own flag decides for the others."""
    tracing, _ = recording(ParentBasedTraceIdRatio(0.25))
    begun = sum(is_sampled(tracing.child()) for _ in range(2_000))
    assert 300 < begun < 700
    assert is_sampled(tracing.child(PARENT))
    assert not is_sampled(recording(DEFAULT_OFF)[0].child())


def test_without_an_exporter_contexts_are_passed_on() -> None:
    """A process that records nothing breaks no trace, and begins none that is sampled."""
    assert trace_id(OFF.child(PARENT)) == TRACE
    assert is_sampled(OFF.child(PARENT))
    assert not is_sampled(OFF.child())
    with Batch(OFF, SHAPE, SHAPE) as batch:
        assert batch.of(PARENT) is None


def test_a_batch_has_a_span_for_each_sampled_context() -> None:
    """Child of that context, with how many facts came from it; the batch's own span links to them and they to it."""
    tracing, recorded = recording()
    other = tracing.child()
    with Batch(tracing, sending_page("topic"), sending("topic")) as batch:
        for context in (PARENT, other, UNSAMPLED, PARENT):
            if (hop := batch.of(context)) is not None:
                hop.count += 1
                assert hop.header == ("traceparent", hop.context.encode())
    whole, *hops = recorded.spans
    assert [(hop.parent, trace_id(hop.context), hop.attributes[FACTS]) for hop in hops] == [
        (PARENT, TRACE, 2),
        (other, trace_id(other), 1),
    ]
    assert whole.parent == ""
    assert trace_id(whole.context) not in (TRACE, trace_id(other))
    assert whole.links == [hop.context for hop in hops]
    assert {tuple(hop.links) for hop in hops} == {(whole.context,)}


@pytest.mark.parametrize("context", [text for text in MALFORMED if text[-1:] == "1"])
def test_a_batch_takes_no_malformed_context(context: str) -> None:
    """A header of a topic may hold anything: it is looked at before it becomes part of a span."""
    tracing, recorded = recording()
    with Batch(tracing, SHAPE, SHAPE) as batch:
        assert batch.of(context) is None
    assert recorded.spans == []


def test_a_batch_without_traced_work_leaves_no_span() -> None:
    """Also a context that was asked for and then not used leaves none."""
    tracing, recorded = recording()
    with Batch(tracing, SHAPE, SHAPE) as batch:
        assert batch.of(PARENT) is not None
    assert recorded.spans == []


def test_links_are_bounded() -> None:
    """However many traces a batch has, its span links to so many; each trace has its own span still."""
    tracing, recorded = recording()
    with Batch(tracing, SHAPE, SHAPE) as batch:
        for _ in range(MAX_LINKS + 7):
            hop = batch.of(tracing.child())
            assert hop is not None
            hop.count += 1
    assert len(recorded.spans[0].links) == MAX_LINKS
    assert len(recorded.spans) == MAX_LINKS + 8


def test_what_fails_is_told_by_its_type_alone() -> None:
    """Texts of errors may quote values."""
    tracing, recorded = recording()
    with pytest.raises(ValueError, match="secret"), Around(tracing, SHAPE):
        raise ValueError("secret")
    assert [span.error for span in recorded.spans] == ["ValueError"]
