"""What the load sends: valid classes, each step after its answers, never more under way than allowed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date

import pytest

from bench.courses import FACTS, FACTS_OF_A_CLASS, Course, Curriculum, Sending, Stage
from bench.load import Round
from bench.receipts import Arrived
from shared.contracts.checking import check, preamble
from shared.identity import is_national_id

DAY = date(2024, 5, 13)
STEPS = [stage for stage in Stage if stage is not Stage.APPLY]


@pytest.fixture(scope="module")
def courses() -> list[Course]:
    curriculum = Curriculum(1)
    return [curriculum.course(number, DAY) for number in range(4)]


def sendings(courses: list[Course]) -> list[Sending]:
    return [one for course in courses for stage in Stage for one in course[stage]]


def test_the_services_would_look_at_every_document(courses: list[Course]) -> None:
    """Each passes the check that needs no history, and its record key is the case that it names."""
    for sending in sendings(courses):
        found = preamble(sending.value)
        checked = check(sending.value, found, sending.topic.split(".")[1])
        assert not isinstance(checked, list), checked
        assert sending.key.decode() == checked.entry.case(found.institution, checked.document.data)
        assert (sending.party, sending.submission_id) == (found.institution, found.id)


def test_no_id_is_used_twice(courses: list[Course]) -> None:
    """Submission ids within a sender, people within a seed."""
    ids = Counter((one.party, one.submission_id) for one in sendings(courses))
    numbers = [
        json.loads(one.value)["data"]["trainee"]["national_id"]
        for course in courses
        for one in course[Stage.TRAIN]
        if b"EnrolTrainee" in one.value
    ]
    assert set(ids.values()) == {1}
    assert len(set(numbers)) == len(numbers) == 120
    assert all(is_national_id(number) for number in numbers)


def test_the_same_seed_gives_the_same_bytes(courses: list[Course]) -> None:
    """A class may be built anywhere."""
    assert Curriculum(1).course(3, DAY) == courses[3]
    assert Curriculum(2).course(3, DAY) != courses[3]


def test_most_facts_are_attendance() -> None:
    """The prototype's mix: 840 lines of 1,201 facts a class."""
    assert FACTS_OF_A_CLASS == 1_201
    assert set(FACTS) == set(STEPS)


def answer(sending: Sending, *codes: str) -> Arrived:
    return Arrived(sending.party, sending.submission_id, 1, codes)


def test_a_step_is_sent_once_the_one_before_is_answered(courses: list[Course]) -> None:
    """Registration of a class goes out with the last receipt of its training, and not before."""
    round_ = Round(courses[:1], STEPS, in_flight=1_000, lag=0)
    training = list(round_.due())
    assert [one.topic for one in training] == ["zeren.enrolment.intake.v1"] * 59
    round_.take([answer(one) for one in training[:-1]])
    assert list(round_.due()) == []
    round_.take([answer(training[-1])])
    assert [one.topic for one in round_.due()] == ["zeren.certification.intake.v1"] * 30


def test_a_service_has_a_bounded_number_under_way(courses: list[Course]) -> None:
    """A class's step is begun below the bound and then sent whole."""
    round_ = Round(courses, STEPS, in_flight=60, lag=0)
    first = list(round_.due())
    assert len(first) == 118
    round_.take([answer(one) for one in first[:58]])
    assert list(round_.due()) == []
    round_.take([answer(first[58])])
    assert len([one for one in round_.due() if "enrolment" in one.topic]) == 59


def test_a_class_lags_behind_the_others(courses: list[Course]) -> None:
    """It goes on when others have come as far, or when no more will come."""
    round_ = Round(courses[:2], STEPS, in_flight=1_000, lag=1)
    training = list(round_.due())
    round_.take([answer(one) for one in training[:59]])
    assert list(round_.due()) == []
    round_.take([answer(one) for one in training[59:]])
    assert len(list(round_.due())) == 60


def test_whatever_is_not_accepted_whole_is_told(courses: list[Course]) -> None:
    """Rejected, with a refused line, answered twice."""
    round_ = Round(courses[:1], [Stage.CLAIM], in_flight=10, lag=0)
    (claim,) = round_.due()
    round_.take([answer(claim, "claim.too_late"), answer(claim)])
    assert round_.over
    assert round_.sent.told()["wrong"] == 1
    assert round_.sent.codes == {"claim.too_late": 1}
    assert (round_.sent.accepted, round_.sent.twice) == (0, 1)


def test_every_answer_ends_the_round(courses: list[Course]) -> None:
    """All steps of all classes, one after the other."""
    round_ = Round(courses, STEPS, in_flight=100, lag=2)
    while not round_.over:
        due = list(round_.due())
        assert due, f"stands still: {round_.missing}"
        round_.take([answer(one) for one in due])
    assert round_.sent.accepted == round_.sent.submissions == 4 * 92
