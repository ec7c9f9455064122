"""Who attends which class, and to whom something out of the ordinary happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from zeren.generator.names import People, Person
from zeren.generator.organisations import Organisation, Organisations
from zeren.generator.policy_files import PolicyFiles
from zeren.generator.timetable import SESSION_DAYS, PlannedSession, plan

XIAMEN = "350200"
URGENT_LEVEL = "5"
MAX_TRAINEES = 50
UNKNOWN, FUTURE, OUTSIDE, FALLEN, MINUTES, TWICE = 1, 3, 4, 5, 6, 7
"""First of the classes in which something happens to a sheet; see `Cast.hosts`."""
_LEVELS = ("5", "5", "4", "5", "3", "X", "5", "4")


class Role(StrEnum):
    """What is to happen to a trainee. The truth never sees it."""

    ORDINARY = "ordinary"
    URGENT_BEFORE = "urgent_before_uplift"
    URGENT_AFTER = "urgent_after_uplift"
    RACE = "race_of_institutions"
    CONTESTED = "race_of_person_and_institution"
    REPEAT = "second_claim"
    ABSENT = "too_little_attendance"
    JUST_ENOUGH = "attendance_exactly_at_minimum"
    FAILING = "failed_assessment"
    REFUSED_ACCEPT = "handler_refuses_acceptance"
    REFUSED_REVIEW = "handler_refuses_first_review"
    RENUMBERED = "certificate_number_used_twice"
    LATE = "attendance_before_enrolment"
    EARLY = "enrolment_before_approval"


@dataclass(eq=False, slots=True)
class Seat:
    """One person in one class.

    Attributes:
        wave: whether certified in the first wave or the second.
        second: the same person's seat for the same occupation and level at another institution, if any.
    """

    person: Person
    training: TrainingClass
    ref: str
    wave: int
    role: Role = Role.ORDINARY
    second: Seat | None = None


@dataclass(eq=False, slots=True)
class TrainingClass:
    """A class of a school; its region is the school's."""

    school: Organisation
    body: Organisation
    ref: str
    occupation: str
    level: str
    sessions: list[PlannedSession]
    max_trainees: int = MAX_TRAINEES
    seats: list[Seat] = field(default_factory=list)

    def seat(self, person: Person) -> Seat:
        """Gives a person the next seat."""
        number = len(self.seats) + 1
        made = Seat(person, self, f"{self.ref}-E{number:03d}", wave=1 if number % 2 else 2)
        self.seats.append(made)
        return made


@dataclass(frozen=True, slots=True)
class Cast:
    """The classes of the run.

    Attributes:
        classes: come to their end. Two neighbours (0 and 1, 2 and 3 …) teach the same at different places.
        unfinished: a class of which one sheet never comes.
        several: how often each case occurs, at least.
    """

    classes: list[TrainingClass]
    unfinished: TrainingClass
    several: int

    @property
    def all(self) -> list[TrainingClass]:
        """Every class, the unfinished one last."""
        return [*self.classes, self.unfinished]

    @property
    def full(self) -> TrainingClass:
        """The class that takes no more than its trainees."""
        return self.classes[2]

    def hosts(self, first: int) -> list[TrainingClass]:
        """Classes in which a case occurs, ten apart: different cases have different classes."""
        return self.classes[first::10][: self.several]

    def with_role(self, *roles: Role) -> list[Seat]:
        """Seats of these roles, class by class."""
        return [seat for training in self.classes for seat in training.seats if seat.role in roles]


def how_often(trainees: int) -> int:
    """How often each case occurs, at least, in a run of this size."""
    return 1 if trainees < 100 else min(5, max(2, trainees // 150))


def make_cast(organisations: Organisations, people: People, policy: PolicyFiles, trainees: int) -> Cast:
    """Seats so many persons in classes of all regions and gives out the roles."""
    several = how_often(trainees)
    size = min(36, max(3, trainees // 25))
    count = max(10, trainees // size // 2 * 2)
    listed = [row["occupation_id"] for row in policy.rows("listed")]
    others = [row["id"] for row in policy.rows("occupations") if row["id"] not in listed]
    classes = [_open(organisations, number, listed, others) for number in range(count)]
    unfinished = _open(organisations, 10 + count // 10 * 10, listed, others)
    unfinished.ref = "K00"
    unfinished.sessions = plan(unfinished.ref, 8)
    for _ in range(several + 1):
        unfinished.seat(people.person())
    for number in range(trainees - several - 1):
        training = classes[number % count]
        training.seat(people.person(_birthday_at_a_limit(number)))
    made = Cast(classes, unfinished, several)
    _give_roles(made, listed)
    made.full.max_trainees = len(made.full.seats)
    return made


def _open(organisations: Organisations, number: int, listed: list[str], others: list[str]) -> TrainingClass:
    """The n-th class. Every fourth pair teaches an urgent occupation, the first of them in Xiamen."""
    pair = number // 2
    occupation = listed[-1 - pair // 4 % len(listed)] if pair % 4 == 0 else others[pair % len(others)]
    level = _LEVELS[pair % len(_LEVELS)]
    body = organisations.bodies[(pair + number % 2) % len(organisations.bodies)]
    body.scope.add((occupation, level))
    ref = f"K{number + 1:02d}"
    school = organisations.schools[number % len(organisations.schools)]
    return TrainingClass(school, body, ref, occupation, level, plan(ref, 8 + number % 3))


def _birthday_at_a_limit(number: int) -> date | None:
    """The first two trainees are just old enough and just young enough on the classes' first day."""
    first = SESSION_DAYS[0]
    match number:
        case 0:
            return first.replace(year=first.year - 16)
        case 1:
            return date(first.year - 60, first.month, first.day + 1)
        case _:
            return None


def _give_roles(cast: Cast, listed: list[str]) -> None:
    """Gives each role to free seats; the demanding roles choose first."""

    def urgent(seat: Seat) -> bool:
        training = seat.training
        in_xiamen = training.school.region == XIAMEN
        return in_xiamen and training.occupation in listed and training.level == URGENT_LEVEL

    def anywhere(_seat: Seat) -> bool:
        return True

    def ten_sessions(seat: Seat) -> bool:
        return len(seat.training.sessions) == 10 and seat.training not in cast.hosts(FALLEN)

    def may_come_late(seat: Seat) -> bool:
        return seat.training is not cast.full and seat.training not in cast.hosts(UNKNOWN)

    often = cast.several
    few = min(often, 2)
    for role, times, fits in (
        (Role.URGENT_BEFORE, few, urgent),
        (Role.URGENT_AFTER, few, urgent),
        (Role.CONTESTED, 1, urgent),
        (Role.CONTESTED, often - 1, anywhere),
        (Role.JUST_ENOUGH, often, ten_sessions),
        (Role.ABSENT, often, anywhere),
        (Role.FAILING, often, anywhere),
        (Role.RENUMBERED, often, _has_companion),
        (Role.LATE, often, may_come_late),
    ):
        _give(cast, role, times, fits)
    for role in (Role.RACE, Role.REPEAT):
        _give_second_seats(cast, role, often + 1)
    for role in (Role.REFUSED_ACCEPT, Role.REFUSED_REVIEW, Role.EARLY):
        _give(cast, role, often, anywhere)


def _give_second_seats(cast: Cast, role: Role, times: int) -> None:
    neighbours = dict(zip(cast.classes[::2], cast.classes[1::2], strict=True))
    for seat in _give(cast, role, times, lambda seat: seat.training in neighbours):
        seat.second = neighbours[seat.training].seat(seat.person)
        seat.second.role = role


def _give(cast: Cast, role: Role, times: int, fits: Callable[[Seat], bool]) -> list[Seat]:
    given: list[Seat] = []
    for seat in _one_after_the_other(cast):
        if len(given) < times and seat.role is Role.ORDINARY and fits(seat):
            seat.role = role
            given.append(seat)
    if len(given) < times:
        raise ValueError(f"学员太少，无法安排 {role} / too few trainees for the case {role}")
    for seat in given:
        if role in (Role.URGENT_BEFORE, Role.RENUMBERED):
            seat.wave = 1
        elif role in (Role.URGENT_AFTER, Role.CONTESTED):
            seat.wave = 2
    return given


def _one_after_the_other(cast: Cast) -> Iterator[Seat]:
    """Every class's first seat, then every class's second …: cases spread over the classes."""
    for place in range(max(len(training.seats) for training in cast.classes)):
        for training in cast.classes:
            if place < len(training.seats):
                yield training.seats[place]


def _has_companion(seat: Seat) -> bool:
    """Someone else of the class is certified in the first wave."""
    return any(
        other is not seat
        and other.wave == 1
        and other.role not in (Role.ABSENT, Role.FAILING, Role.RENUMBERED)
        for other in seat.training.seats
    )
