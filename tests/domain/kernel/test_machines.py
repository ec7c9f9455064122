"""The intake under everything that happens to it: repeats, any order, crashes, restarts, zombies, passing days."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.enrolment.domain.training_class import training_class
from shared.contracts.enrolment import TraineeEnrolled
from shared.contracts.fact import Envelope, decode
from shared.contracts.intake import SubmissionAccepted, SubmissionQuarantined, SubmissionRejected
from shared.eventstore.store import PositionMoved, Unavailable
from shared.identity import class_id
from shared.intake.incoming import read_record
from shared.messaging.consumer import ReadAgain
from tests.deciding import decide
from tests.domain.kernel.crashing import CrashingStore, Moment
from tests.domain.kernel.intake_world import (
    CLOCK,
    DAY,
    TOPIC,
    USCC,
    DictVault,
    IntakeWorld,
    apply_class,
    document,
    enrol,
    sheet,
    sign,
)

PEOPLE = {
    "110105199003071095": "00000000-0000-4000-8000-000000000001",
    "350102198808080010": "00000000-0000-4000-8000-000000000002",
    "35010219950505002X": "00000000-0000-4000-8000-000000000003",
}
FIRST, SECOND, THIRD = PEOPLE
CLASS = class_id(USCC, "c1")
PARTITIONS = (0, 1)

QUIET: tuple[bytes, ...] = (
    apply_class(),
    enrol("enrol-1", "e1", FIRST),
    enrol("enrol-2", "e2", SECOND),
    sheet("sheet-1", "e1", "e2"),
    document("CompleteClass", "done-1", class_ref="c1"),
    document("ApplyClass", "broken-1", class_ref="c2"),
    b"{not json",
)
"""Documents whose outcome doesn't hang on their order: what comes too early waits."""
RIVALS: tuple[bytes, ...] = (
    enrol("enrol-1", "e9", THIRD),
    enrol("enrol-3", "e3", FIRST),
    sheet("sheet-1", "e2"),
    sheet("sheet-9", "never"),
    document("CompleteClass", "done-2", class_ref="c9"),
)
"""Another body of a used id, a person enrolled twice, what waits in vain: here the first, or the day, decides."""

RECEIPTS = (SubmissionAccepted, SubmissionRejected)
moments = st.sampled_from(("before", "after"))


class Intake:
    """Two workers on one store in memory, before a log of two partitions."""

    def __init__(self) -> None:
        self.store = CrashingStore()
        self.vault = DictVault()
        self.vault.persons.update(PEOPLE)
        self.log: dict[int, list[Any]] = {partition: [] for partition in PARTITIONS}
        self.day = DAY
        self.workers = [self._worker(seed=True), self._worker()]

    def _worker(self, *, seed: bool = False) -> IntakeWorld:
        return IntakeWorld(self.store, seed=seed, vault=self.vault)

    def restart(self, number: int) -> None:
        """A worker dies and another takes its place: nothing is in its memory."""
        self.workers[number] = self._worker()

    def send(self, value: bytes, partition: int) -> None:
        """Appends a record."""
        log = self.log[partition]
        log.append(
            SimpleNamespace(
                topic=TOPIC.topic,
                partition=partition,
                offset=len(log),
                key=b"k",
                value=value,
                timestamp=int(CLOCK.timestamp() * 1000),
                headers=(("jws", sign(value)),),
            )
        )

    def deliver(self, number: int, partition: int, count: int, *, back: int = 0) -> None:
        """A worker gets the next records, or some that it or the other decided already, as a consumer hands them in."""
        at = TopicPartition(TOPIC.topic, partition)
        world = self.workers[number]
        start = max(0, world.worker.resume(at) - back)
        records = self.log[partition][start : start + count]
        while records:
            try:
                decide(world.worker, at, records)
            except (Unavailable, PositionMoved):
                world.worker.forget()
            except ReadAgain as order:
                records = self.log[partition][order.offset : start + count]
            else:
                return

    def do(self, action: Any) -> None:
        """Something that is tried again after an outage."""
        while True:
            try:
                action()
            except Unavailable:
                continue
            else:
                return

    def approve(self) -> None:
        """The handler approves the class, if it waits for that."""
        world = self.workers[0]
        if world.run(lambda draft: draft.state(training_class, CLASS).status) == "applied":
            self.do(lambda: world.approve("c1"))

    def settle(self) -> None:
        """Everything is read, approved and woken."""
        for partition, log in self.log.items():
            self.deliver(0, partition, len(log))
        self.approve()
        while any(waiting.ready for waiting in self.store.tables.parked.values()) or self._overdue():
            self.do(self.workers[0].wake)

    def _overdue(self) -> bool:
        return any(marked for _, marked in self.store.tables.deadlines.values())

    def next_day(self) -> None:
        """The next business day, opened as it may be: when nothing is under way."""
        self.settle()
        self.day += timedelta(days=1)
        self.do(lambda: self.workers[0].open_day(self.day))
        self.settle()

    def facts(self) -> list[Envelope[Any]]:
        """All of the event table."""
        return [decode(row.state) for row in self.store.tables.log]

    def digests(self) -> set[str]:
        """What makes each record of the log what it is."""
        return {read_record(record).origin.digest for log in self.log.values() for record in log}


def outcome(intake: Intake) -> Counter[tuple[str, str, str]]:
    """Everything that was decided: (type, stream, data), without where and when it was read."""
    return Counter((fact.type, fact.subject, _plain(fact.data)) for fact in intake.facts())


def _plain(data: Any) -> str:
    told: dict[str, Any] = msgspec.to_builtins(data)
    told.pop("origin", None)
    told["facts"] = len(told.get("facts", ()))
    return msgspec.json.encode(told, order="deterministic").decode()


def in_order() -> Intake:
    """The quiet documents in their own order, on a day without faults."""
    intake = Intake()
    for value in QUIET:
        intake.send(value, 0)
    intake.settle()
    return intake


def test_in_their_own_order_the_quiet_documents_are_accepted() -> None:
    """What the next test compares with: five accepted, one rejected, one in quarantine, nothing waits."""
    calm = in_order()
    names = Counter(type(fact.data).__name__ for fact in calm.facts())
    assert names["SubmissionAccepted"] == 5
    assert (names["SubmissionRejected"], names["SubmissionQuarantined"]) == (1, 1)
    assert names["TrainingCompleted"] == 2
    assert not calm.store.tables.parked


@settings(max_examples=100, derandomize=True, print_blob=True)
@given(data=st.data())
def test_any_order_repetition_crash_and_retry_of_the_same_documents_comes_to_the_same_end(
    data: st.DataObject,
) -> None:
    """Whatever comes too early waits within its deadline; in the end every fact but its place is the same."""
    intake = Intake()
    order = data.draw(st.permutations(QUIET))
    for value in (*order, *data.draw(st.lists(st.sampled_from(QUIET), max_size=4))):
        intake.send(value, data.draw(st.sampled_from(PARTITIONS)))
    steps = st.tuples(
        st.sampled_from((0, 1)),
        st.sampled_from(PARTITIONS),
        st.integers(1, 4),
        st.integers(0, 3),
        st.sampled_from((None, None, "before", "after", "restart", "approve", "wake")),
    )
    for number, partition, count, back, trouble in data.draw(st.lists(steps, max_size=14)):
        _trouble(intake, number, trouble)
        intake.deliver(number, partition, count, back=back)
    intake.settle()
    assert outcome(intake) == outcome(in_order())
    assert not intake.store.tables.parked


def _trouble(intake: Intake, number: int, trouble: Moment | str | None) -> None:
    match trouble:
        case "before" | "after":
            intake.store.crash(trouble)  # type: ignore[arg-type]
        case "restart":
            intake.restart(number)
        case "approve":
            intake.approve()
        case "wake":
            intake.do(intake.workers[number].wake)


class IntakeMachine(RuleBasedStateMachine):
    """Institutions send, workers read, crash, come back as zombies, wake what is parked; days pass."""

    def __init__(self) -> None:
        super().__init__()
        self.intake = Intake()

    @rule(value=st.sampled_from(QUIET + RIVALS), partition=st.sampled_from(PARTITIONS))
    def sends(self, value: bytes, partition: int) -> None:
        """A document comes, new or again."""
        self.intake.send(value, partition)

    @rule(
        number=st.sampled_from((0, 1)),
        partition=st.sampled_from(PARTITIONS),
        count=st.integers(1, 4),
        back=st.sampled_from((0, 0, 1, 3)),
    )
    def reads(self, number: int, partition: int, count: int, back: int) -> None:
        """A worker gets some records."""
        self.intake.deliver(number, partition, count, back=back)

    @rule(moment=moments)
    def crashes(self, moment: Moment) -> None:
        """The next transaction fails."""
        self.intake.store.crash(moment)

    @rule(number=st.sampled_from((0, 1)))
    def restarts(self, number: int) -> None:
        """A worker dies."""
        self.intake.restart(number)

    @rule(number=st.sampled_from((0, 1)))
    def wakes(self, number: int) -> None:
        """A worker looks after what is parked."""
        self.intake.do(self.intake.workers[number].wake)

    @rule()
    def approves(self) -> None:
        """A handler looks at the work list."""
        self.intake.approve()

    @rule()
    def day_passes(self) -> None:
        """The next business day."""
        self.intake.next_day()

    @invariant()
    def every_digest_has_one_answer_at_most(self) -> None:
        """No receipt and no quarantine twice, none of what nobody sent, and none of what still waits."""
        answers = Counter(
            fact.data.origin.digest
            for fact in self.intake.facts()
            if isinstance(fact.data, (*RECEIPTS, SubmissionQuarantined))
        )
        waiting = {digest for _, digest in self.intake.store.tables.parked}
        assert all(count == 1 for count in answers.values())
        assert answers.keys() <= self.intake.digests()
        assert not waiting & answers.keys()

    @invariant()
    def streams_have_no_gap_and_no_fact_stands_twice(self) -> None:
        """Versions run from 1 on in each stream; ids are unique."""
        facts = self.intake.facts()
        assert len({fact.id for fact in facts}) == len(facts)
        heads: Counter[str] = Counter()
        for fact in facts:
            heads[fact.subject] += 1
            assert fact.streamversion == heads[fact.subject]

    @invariant()
    def nobody_sits_in_a_class_twice(self) -> None:
        """One enrolment a person and class, whichever came first."""
        seats = Counter(
            (fact.data.class_id, fact.data.person_id)
            for fact in self.intake.facts()
            if isinstance(fact.data, TraineeEnrolled)
        )
        assert all(count == 1 for count in seats.values())

    def teardown(self) -> None:
        """All is read: whatever was sent has its answer or waits by name; sent once more it changes nothing."""
        intake = self.intake
        intake.settle()
        answered = {
            fact.data.origin.digest
            for fact in intake.facts()
            if isinstance(fact.data, (*RECEIPTS, SubmissionQuarantined))
        }
        waiting = {digest for _, digest in intake.store.tables.parked}
        assert answered | waiting == intake.digests()
        head = intake.store.head()
        for log in (list(log) for log in intake.log.values()):
            for record in log:
                intake.send(record.value, 1 - record.partition)
        intake.restart(0)
        intake.settle()
        assert intake.store.head() == head
        _days_pass(intake)


def _days_pass(intake: Intake) -> None:
    """After the longest wait nothing is parked, and still every digest has its one answer."""
    for _ in range(5):
        intake.next_day()
    assert not intake.store.tables.parked
    answers = [
        fact.data.origin.digest
        for fact in intake.facts()
        if isinstance(fact.data, (*RECEIPTS, SubmissionQuarantined))
    ]
    assert sorted(answers) == sorted(intake.digests())


TestIntakeMachine = IntakeMachine.TestCase
TestIntakeMachine.settings = settings(
    max_examples=200, stateful_step_count=50, derandomize=True, print_blob=True, deadline=None
)
