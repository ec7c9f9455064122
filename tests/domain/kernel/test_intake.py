"""The intake: every submission has exactly one receipt, whatever comes twice, early or broken."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.eventstore.changes import SendReceipt, Wake
from shared.eventstore.store import Unavailable
from shared.intake import worker
from shared.messaging.consumer import ReadAgain
from tests.deciding import decide

from .intake_world import DAY, TOPIC, USCC, IntakeWorld, apply_class, document, enrol, sheet, sign


@pytest.fixture
def world() -> IntakeWorld:
    return IntakeWorld()


def test_a_signed_submission_has_one_receipt_that_names_its_facts(world):
    """Accepted: the receipt names the facts it led to, and is to be sent."""
    world.send(apply_class())
    (receipt,) = world.facts("SubmissionAccepted")
    assert (receipt.submission_id, receipt.institution, receipt.fact_count) == ("apply-1", USCC, 1)
    assert len(receipt.facts) == 1
    assert len(world.store.tables.receipts) == 1


def test_the_same_submission_again_changes_nothing_and_has_its_receipt_sent_again(world):
    """A resend after a lost receipt: the stored bytes go out once more."""
    world.send(apply_class())
    before = world.store.head()
    world.send(apply_class())
    assert world.store.head() == before
    first, again = world.store.tables.receipts
    assert first == again == SendReceipt(USCC, first.receipt_id, 1)


def test_records_that_were_decided_are_not_decided_again_after_a_crash(world):
    """A redelivery by Kafka is known by its offset: not even the receipt goes out twice."""
    record = world.record(apply_class(), sign(apply_class()))
    world.deliver(record)
    world.worker.forget()
    world.deliver(record, world.record(apply_class("apply-2", "c2"), sign(apply_class("apply-2", "c2"))))
    assert world.receipts() == [("apply-1", "accepted"), ("apply-2", "accepted")]
    assert len(world.store.tables.receipts) == 2


@pytest.mark.parametrize(
    ("size", "judged"), [(1, [1] * 5), (len(apply_class("a-0", "c0")) * 2, [2, 2, 1]), (9_999, [5])]
)
def test_a_poll_is_judged_in_portions_of_so_many_bytes(world, monkeypatch, size, judged):
    """What is decoded at once is bounded; each record is decided once, in order."""
    monkeypatch.setattr(worker, "PORTION_BYTES", size)
    told, judge = [], world.worker.judge
    monkeypatch.setattr(world.worker, "judge", lambda rows: (told.append(len(rows)), judge(rows))[1])
    world.send(*(apply_class(f"a-{n}", f"c{n}") for n in range(5)))
    assert told == judged
    assert world.receipts() == [(f"a-{n}", "accepted") for n in range(5)]


def test_portions_that_were_decided_stay_so_when_a_later_one_meets_an_outage(world, monkeypatch):
    """The poll comes again: only what was not decided is."""
    monkeypatch.setattr(worker, "PORTION_BYTES", 1)
    records = [world.record(value, sign(value)) for value in (apply_class("a", "c1"), apply_class("b", "c2"))]
    with monkeypatch.context() as outage:
        outage.setattr(world.worker, "judge", _once(world.worker.judge))
        with pytest.raises(Unavailable):
            world.deliver(*records)
    assert world.receipts() == [("a", "accepted")]
    world.deliver(*records)
    assert world.receipts() == [("a", "accepted"), ("b", "accepted")]
    assert len(world.store.tables.receipts) == 2


def _once(judge):
    """Judges once; then the database is away."""
    judges = iter([judge])

    def judged(rows):
        for each in judges:
            return each(rows)
        raise Unavailable("OperationalError")

    return judged


def test_another_body_under_a_used_id_is_rejected_and_raises_a_risk(world):
    """The first body holds the id; at most ten others are answered."""
    world.send(apply_class())
    world.send(*(apply_class(max_trainees=n) for n in range(1, 13)))
    assert world.receipts() == [("apply-1", "accepted"), *[("apply-1", "submission.id_reused")] * 10]
    assert len(world.facts("SubmissionIdReused")) == 10
    assert len(world.facts("ClassApplied")) == 1


def test_rivals_within_one_batch_are_refused_in_memory(world):
    """Two submissions for one class reference in one batch: one takes it."""
    world.send(apply_class("a"), apply_class("b"))
    assert world.receipts() == [("a", "accepted"), ("b", "class.already_applied")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "submission.empty"),
        (b"{", "submission.unreadable"),
        (b"\xff\xfe", "submission.unreadable"),
        (b'{"id":"x","source":"urn:uscc:1","type":"t"}', "submission.source_unreadable"),
        (b"[" * 100_000, "submission.unreadable"),
        (b" " * 262_145, "submission.too_large"),
        (document("ApplyClass", "110105199003071095"), "submission.id_unreadable"),
    ],
)
def test_what_cannot_be_attributed_is_quarantined_once(world, value, code):
    """Junk is answered by a quarantine fact with its digest; the same junk again adds nothing."""
    for _ in range(2):
        world.deliver(world.record(value, sign(value)))
    (fact,) = world.facts("SubmissionQuarantined")
    assert fact.reasons[0].code == code
    assert fact.size == len(value)
    assert world.facts("SubmissionAccepted", "SubmissionRejected") == []


def test_an_unsigned_submission_spends_nobodys_id(world):
    """The signature is checked first: the rightful sender can still use the id."""
    world.deliver(world.record(apply_class(), None))
    world.deliver(world.record(apply_class(), sign(apply_class("other"))))
    world.send(apply_class())
    assert [fact.reasons[0].code for fact in world.facts("SubmissionQuarantined")] == [
        "signature.missing",
        "signature.invalid",
    ]
    assert world.receipts() == [("apply-1", "accepted")]


def test_all_faults_of_form_are_told_at_once(world):
    """A rejection names each field at fault and echoes no value."""
    world.send(apply_class(class_ref="13800000000", training_kind="a/b"))
    (receipt,) = world.facts("SubmissionRejected")
    assert [(r.code, r.field) for r in receipt.reasons] == [
        ("reference.looks_personal", "data.class_ref"),
        ("reference.malformed", "data.training_kind"),
        ("reference.looks_personal", "data.sessions.session_ref"),
    ]


def test_a_kind_of_organisation_sends_only_its_own_types(world):
    """A bank may not apply for a class."""
    world.know_key("bank-key", "91350100MA3000022F", "BANK")
    value = apply_class().replace(USCC.encode(), b"91350100MA3000022F")
    world.deliver(world.record(value, sign(value, "bank-key")))
    assert world.receipts() == [("apply-1", "submission.sender_not_entitled")]


def test_attendance_before_its_enrolment_waits_and_is_accepted_once_the_enrolment_comes(world):
    """Parked whole, woken by the awaited fact, decided once."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e1"))
    assert world.receipts() == [("apply-1", "accepted")]
    world.send(enrol())
    assert world.wake() == 1
    assert world.receipts()[1:] == [("enrol-1", "accepted"), ("sheet-1", "accepted")]
    assert len(world.facts("SessionAttended")) == 1
    assert world.store.tables.parked == {}
    assert world.store.tables.deadlines == {}


def test_a_parked_submission_holds_its_id(world):
    """The same body waits with it; another is answered after it, by a rejection."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e1"), sheet("sheet-1", "e1"), sheet("sheet-1", "e1", minutes=60))
    assert len(world.store.tables.parked) == 2
    world.send(enrol())
    while world.wake():
        pass
    assert world.receipts()[2:] == [("sheet-1", "accepted"), ("sheet-1", "submission.id_reused")]


def test_past_its_deadline_a_parked_submission_is_rejected_and_told_what_it_awaited(world):
    """The day after the last waiting day begins: the row takes only the deadline's command."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e9"))
    for days in range(1, 5):
        assert world.wake() == 0
        world.open_day(DAY + timedelta(days=days))
    assert world.wake() == 1
    (receipt,) = world.facts("SubmissionRejected")
    assert receipt.reasons[0].code == "parking.deadline_passed"
    assert receipt.awaited.startswith("enrolment:")
    assert world.store.tables.parked == {}


def test_parking_again_for_something_else_keeps_the_first_deadline(world):
    """A sheet with two unknown enrolments waits for one after the other, no longer than once."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e1", "e2"))
    (first,) = world.store.tables.deadlines.values()
    world.open_day(DAY + timedelta(days=1))
    world.send(enrol())
    assert world.wake() == 1
    assert list(world.store.tables.deadlines.values()) == [first]
    world.send(enrol("enrol-2", "e2", "440524188001010014"))
    world.wake()
    assert world.receipts()[-1] == ("enrol-2", "trainee.age_outside_policy")


def test_the_body_of_a_parked_submission_lies_in_the_vault_alone(world):
    """Nothing of it stands in the service's own tables but its digest."""
    world.send(enrol())
    (waiting,) = world.store.tables.parked.values()
    assert "李娜" not in repr(waiting.row)
    assert waiting.row.digest in world.vault.bodies


def test_bodies_beyond_the_cap_that_were_parked_are_not_woken_for_ever(world):
    """Ten other bodies are answered; the eleventh waits no longer, though it has no receipt."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e1"), *(sheet("sheet-1", "e1", minutes=n) for n in range(1, 13)))
    world.send(enrol())
    rounds = 0
    while world.wake():
        rounds += 1
        assert rounds < 5
    assert world.store.tables.parked == {}
    assert len(world.facts("SubmissionIdReused")) == 10


@pytest.mark.parametrize("text", ["110105199003071095", "13800000000"])
def test_no_personal_number_put_in_a_header_type_or_key_id_reaches_a_fact(world, text):
    """What a sender may write freely is either checked or not repeated."""
    value = apply_class().replace(b"zeren.submission.ApplyClass.v1", text.encode())
    world.deliver(
        world.record(value, sign(value)),
        world.record(apply_class("a"), text.encode()),
        world.record(apply_class("b"), sign(apply_class("b"), kid=text)),
    )
    assert len(world.facts("SubmissionRejected")) == 1
    assert len(world.facts("SubmissionQuarantined")) == 2
    assert all(text.encode() not in row.state for row in world.store.tables.log)


def test_a_submission_under_an_unknown_key_waits_sealed_until_the_key_is_registered(world):
    """Onboarding and the first submission may overtake each other: neither is lost, one receipt."""
    world.deliver(world.record(apply_class(), sign(apply_class(), "key-2")))
    (waiting,) = world.store.tables.parked.values()
    assert (waiting.row.awaited, waiting.row.institution) == ("key:key-2", "")
    assert waiting.row.digest in world.vault.bodies
    assert (world.receipts(), world.wake()) == ([], 0)
    world.know_key("key-2", USCC)
    assert world.wake() == 1
    assert world.receipts() == [("apply-1", "accepted")]
    assert (world.store.tables.parked, world.store.tables.deadlines) == ({}, {})


def test_past_its_deadline_a_submission_under_an_unknown_key_is_quarantined(world):
    """Nobody registered the key: the record can't be attributed, and that is said once."""
    record = world.record(apply_class(), sign(apply_class(), "key-2"))
    world.deliver(record, record)
    for days in range(1, 5):
        world.open_day(DAY + timedelta(days=days))
    assert world.wake() == 1
    (quarantined,) = world.facts("SubmissionQuarantined")
    assert ([r.code for r in quarantined.reasons], quarantined.claimed_key) == (
        ["signature.key_unknown"],
        "key-2",
    )
    assert (world.store.tables.parked, world.wake()) == ({}, 0)


def test_a_key_of_another_organisation_that_comes_lets_what_waited_be_quarantined(world):
    """The key came, but it is not the sender's."""
    world.deliver(world.record(apply_class(), sign(apply_class(), "key-2")))
    world.know_key("key-2", "91350100MA3000022F")
    world.wake()
    (quarantined,) = world.facts("SubmissionQuarantined")
    assert [r.code for r in quarantined.reasons] == ["signature.key_of_other_institution"]
    assert world.store.tables.parked == {}


def test_what_waits_for_its_key_is_told_with_the_sender_that_it_names_and_belongs_to_nobody(world):
    """Only a signature says whose it is; what the document names may be anybody's name, but no person's number."""
    person = "110105199001150013"
    other = apply_class("apply-2").replace(USCC.encode(), person.encode())
    world.deliver(*(world.record(value, sign(value, "key-2")) for value in (apply_class(), other)))
    parked = [waiting.row for waiting in world.store.tables.parked.values()]
    assert [(row.institution, row.claimed) for row in parked] == [("", USCC), ("", "")]
    world.send(enrol())
    (_, _, attributed) = world.store.tables.parked.values()
    assert (attributed.row.institution, attributed.row.claimed) == (USCC, "")


def test_no_more_than_a_hundred_submissions_wait_for_one_claimed_key(world):
    """Whoever claims a key need not be its owner: past the bound they are quarantined at once."""
    documents = [apply_class(f"apply-{n}") for n in range(103)]
    world.deliver(*(world.record(value, sign(value, "key-2")) for value in documents))
    assert len(world.store.tables.parked) == 100
    told = [fact.reasons[0].code for fact in world.facts("SubmissionQuarantined")]
    assert told == ["signature.key_unknown_too_many"] * 3


def test_a_submission_whose_decision_fails_by_a_fault_waits_for_an_operator_and_holds_nobody_up(world):
    """The one before and the one after are decided; mended and woken, it has its one receipt."""
    handler = world.break_handler("c-broken")
    world.send(apply_class("a", "c-a"), apply_class("b", "c-broken"), apply_class("c", "c-c"))
    assert world.receipts() == [("a", "accepted"), ("c", "accepted")]
    (waiting,) = world.store.tables.parked.values()
    assert waiting.row.awaited == "operator:KeyError"
    world.run(lambda draft: draft.stage(Wake("operator:KeyError")))
    assert world.wake() == 1
    assert len(world.store.tables.parked) == 1
    handler.mend()
    world.run(lambda draft: draft.stage(Wake("operator:KeyError")))
    world.wake()
    assert world.receipts()[2:] == [("b", "accepted")]
    assert world.store.tables.parked == {}


def test_a_fault_in_one_woken_submission_does_not_hold_up_those_woken_with_it(world):
    """The parking lot goes on past it."""
    world.send(apply_class())
    world.approve("c1")
    world.send(sheet("sheet-1", "e1"), sheet("sheet-2", "e1", session_ref="c1-s1"))
    world.break_handler("sheet-1")
    world.send(enrol())
    world.wake()
    assert ("sheet-2", "accepted") in world.receipts()
    (waiting,) = world.store.tables.parked.values()
    assert (waiting.row.submission_id, waiting.row.awaited) == ("sheet-1", "operator:KeyError")


def anew(world, *documents) -> list:
    """Records of a topic that was deleted and made again: its offsets begin at 0."""
    world.offset = -1
    return [world.record(value, sign(value)) for value in documents]


def test_a_topic_that_was_made_anew_is_decided_from_its_beginning(world):
    """It ends before what is decided: its records are other ones, though their offsets were decided."""
    world.send(apply_class(), apply_class("second", "c2"), apply_class("third", "c3"))
    records = anew(world, apply_class("fourth", "c4"), apply_class())
    assert decide(world.worker, TOPIC, records) == 2
    assert len(world.receipts()) == 3, "passed over, as long as nobody has looked where the log ends"
    (again,) = world.worker.other_logs({TOPIC: 2})
    assert (again.partition, again.offset) == (TOPIC, 0)
    decide(world.worker, TOPIC, records)
    assert world.receipts()[3:] == [("fourth", "accepted")], "and what was answered is not decided twice"
    assert world.worker.other_logs({TOPIC: 2}) == []
    assert world.worker.resume(TOPIC) == 2
    world.worker.forget()
    assert world.worker.resume(TOPIC) == 2, "the position row went back with it"


def test_a_topic_that_was_made_anew_and_has_outgrown_the_old_one_is_noticed_by_what_stands_there(world):
    """Another record where the last decided one stood."""
    world.send(apply_class())
    records = anew(world, *(apply_class(f"new-{number}", f"n{number}") for number in range(4)))
    assert world.worker.other_logs({TOPIC: 4}) == []
    with pytest.raises(ReadAgain) as told:
        decide(world.worker, TOPIC, records)
    assert told.value.offset == 0
    decide(world.worker, TOPIC, records)
    assert world.receipts()[1:] == [(f"new-{number}", "accepted") for number in range(4)]


def test_the_same_log_again_is_decided_once(world):
    """After a crash the last record comes again: it is the one that was decided."""
    first = world.record(apply_class(), sign(apply_class()))
    world.deliver(first)
    second = world.record(apply_class("second", "c2"), sign(apply_class("second", "c2")))
    assert decide(world.worker, TOPIC, [first, second]) == second.offset + 1
    assert world.worker.other_logs({TOPIC: second.offset + 1}) == []
    assert world.receipts() == [("apply-1", "accepted"), ("second", "accepted")]


def test_offsets_that_kafka_passed_over_are_read_again(world):
    """A database that was put back: Kafka's hint is ahead of it, the position row decides."""
    record = world.record(apply_class(), sign(apply_class()))
    world.deliver(record)
    world.offset += 3
    later = world.record(apply_class("later", "c2"), sign(apply_class("later", "c2")))
    with pytest.raises(ReadAgain) as told:
        decide(world.worker, TOPIC, [later])
    assert told.value.offset == record.offset + 1
    decide(world.worker, TOPIC, [later])
    assert world.receipts() == [("apply-1", "accepted"), ("later", "accepted")]
