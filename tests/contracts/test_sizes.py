"""The largest facts that the rules allow stay below the ledger's entry limit."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from shared.contracts.checking import MAX_FAULTS, check, preamble
from shared.contracts.enrolment import ClassApplied, PlannedSession
from shared.contracts.fact import MAX_FACT_BYTES, Fact, FactTooLarge, encode
from shared.contracts.intake import Origin, Reason, SubmissionAccepted, SubmissionRejected
from shared.contracts.payment import ClaimRefused, PaymentBatchCreated
from shared.contracts.submission import MAX_LINES
from tests.contracts.make_golden import GIVEN, NOW, SAMPLE_DIGEST, SAMPLE_USCC, SAMPLE_UUID, sample

CLAIMS_A_BATCH = 300
LONGEST_REFERENCE = "R" * 64
LONGEST_JWS = "e" * 1024
ORIGIN = Origin(
    digest=SAMPLE_DIGEST,
    jws=LONGEST_JWS,
    topic="zeren.certification.intake.v1",
    partition=5,
    offset=2**40,
    logged_at=datetime(2024, 8, 5, 1, 30, tzinfo=UTC),
)


def size(service: str, data: Fact) -> int:
    """Bytes of a fact with this data. Raises: FactTooLarge."""
    return len(encode(service, data, stream=SAMPLE_UUID, version=11, given=GIVEN, now=NOW).state)


def test_a_receipt_of_a_full_sheet_with_every_line_refused_is_a_fact() -> None:
    """200 lines, each refused for the longest code, and 200 fact ids beside them."""
    reason = Reason(code="sheet.enrolment_of_other_class", field="data.lines.enrolment_ref", line=MAX_LINES)
    receipt = SubmissionAccepted(
        submission_id=LONGEST_REFERENCE,
        submission_type="zeren.submission.RecordAttendanceSheet.v1",
        institution=SAMPLE_USCC,
        origin=ORIGIN,
        lines=MAX_LINES,
        refused_lines=[reason] * MAX_LINES,
        fact_count=MAX_LINES,
        facts=[SAMPLE_UUID] * MAX_LINES,
    )
    assert size("enrolment", receipt) <= MAX_FACT_BYTES


def test_a_receipt_of_the_worst_document_is_a_fact() -> None:
    """A plan of 200 sessions with everything wrong in each of them: all reasons stand in one receipt."""
    session = {
        "session_ref": "13800138000",
        "held_on": "2024-08-05",
        "starts_at": "11:00",
        "ends_at": "09:00",
        "teacher_ref": "13900139000",
    }
    document = {
        "specversion": "0.3",
        "id": LONGEST_REFERENCE,
        "source": f"urn:uscc:{SAMPLE_USCC}",
        "type": "zeren.submission.ApplyClass.v1",
        "time": "2024-08-05T09:00:00",
        "nonce": "short",
        "data": {
            "class_ref": "13700137000",
            "region": "350200",
            "occupation_id": "13600136000",
            "level": "5",
            "training_kind": "13500135000",
            "programme_tags": ["13400134000"] * 8,
            "max_trainees": 30,
            "sessions": [session] * MAX_LINES,
        },
    }
    value = json.dumps(document).encode()
    reasons = check(value, preamble(value))
    assert isinstance(reasons, list)
    assert len(reasons) >= 3 * MAX_LINES
    receipt = SubmissionRejected(
        submission_id=LONGEST_REFERENCE,
        submission_type="zeren.submission.ApplyClass.v1",
        institution=SAMPLE_USCC,
        origin=ORIGIN,
        reasons=reasons,
    )
    assert size("enrolment", receipt) <= MAX_FACT_BYTES


def test_a_receipt_of_the_worst_shape_is_a_fact() -> None:
    """A plan whose every session lacks every field: as many are told as a receipt holds."""
    document = {
        "id": LONGEST_REFERENCE,
        "source": f"urn:uscc:{SAMPLE_USCC}",
        "type": "zeren.submission.ApplyClass.v1",
        "data": {"sessions": [{}] * MAX_LINES},
    }
    value = json.dumps(document).encode()
    reasons = check(value, preamble(value))
    assert isinstance(reasons, list)
    assert len(reasons) == MAX_FAULTS
    receipt = SubmissionRejected(
        submission_id=LONGEST_REFERENCE,
        submission_type="zeren.submission.ApplyClass.v1",
        institution=SAMPLE_USCC,
        origin=ORIGIN,
        reasons=reasons,
    )
    assert size("enrolment", receipt) <= MAX_FACT_BYTES


def test_a_class_with_the_longest_plan_is_a_fact() -> None:
    """200 sessions, each with references of 64 characters."""
    session = PlannedSession(
        session_id=SAMPLE_UUID,
        session_ref=LONGEST_REFERENCE,
        held_on=GIVEN.businessdate,
        starts_at="09:00",
        ends_at="21:00",
        minutes=720,
        teacher_ref=LONGEST_REFERENCE,
    )
    usual = sample(ClassApplied, whole=True)
    fields = {name: getattr(usual, name) for name in ClassApplied.__struct_fields__}
    fields |= {
        "class_ref": LONGEST_REFERENCE,
        "training_kind": LONGEST_REFERENCE,
        "programme_tags": [LONGEST_REFERENCE] * 8,
        "sessions": [session] * MAX_LINES,
    }
    assert size("enrolment", ClassApplied(**fields)) <= MAX_FACT_BYTES


def test_a_full_payment_batch_is_a_fact() -> None:
    """300 claims, the most that a batch, a notice or a bulk decision takes."""
    batch = PaymentBatchCreated(
        batch_id=SAMPLE_UUID,
        region="350200",
        bank=SAMPLE_USCC,
        claims=[SAMPLE_UUID] * CLAIMS_A_BATCH,
        total_fen=CLAIMS_A_BATCH * 200_000,
        decision_jws=LONGEST_JWS,
    )
    assert size("payment", batch) <= MAX_FACT_BYTES


def test_a_fact_over_the_limit_is_refused_where_it_is_made() -> None:
    """It must never reach the store: the ledger's length field could not hold it."""
    refused = ClaimRefused(
        claim_id=SAMPLE_UUID,
        person_id=SAMPLE_UUID,
        enrolment_id=SAMPLE_UUID,
        stage="RULE",
        reasons=[Reason(code="claim.too_late")] * 2_000,
        handler_id="",
        decision_jws=None,
    )
    with pytest.raises(FactTooLarge):
        size("payment", refused)
