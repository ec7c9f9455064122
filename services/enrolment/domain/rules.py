"""The policy clauses that enrolment decides by, one function a clause. Figures come from the policy book."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from shared.contracts.enrolment import PlannedSession
from shared.contracts.trace import DecisionTrace
from shared.policy.rules import Procedure

COMPLETED = "COMPLETED"
ATTENDANCE_BELOW_MINIMUM = "training.attendance_below_minimum"


def age_admitted(procedure: Procedure, age: int) -> DecisionTrace | None:
    """Whether a person of that age may train; the trace of the yes, None for the no.

    Args:
        procedure: the figures in force in the class's region.
        age: whole years at the class's first day.

    Source: demo-procedure, entry procedure, age_from and age_below (DEMO; the notice states no age).
    """
    return procedure.judged("age", {"age": age}, "ADMITTED") if procedure.admits_age(age) else None


def fits_a_class(procedure: Procedure, trainees: int) -> bool:
    """Whether so many trainees may sit in one class.

    Source: demo-procedure, entry procedure, max_trainees (DEMO; the notice states no class size).
    """
    return trainees <= procedure.max_trainees


def counted_minutes(sessions: Mapping[str, PlannedSession], fallen_out: frozenset[str]) -> int:
    """The planned minutes (计划课时) against which attendance is measured: sessions that fell out don't count.

    Source: 人社厅发〔2023〕55号 一 (training must really take place); demo-procedure, attendance_permille.
    """
    return sum(plan.minutes for name, plan in sessions.items() if name not in fallen_out)


def training_ended_on(sessions: Mapping[str, PlannedSession], fallen_out: frozenset[str]) -> date | None:
    """The day of the last session that took place, whenever its papers arrived; None where none did.

    Source: 人社厅发〔2023〕55号 二(十): assessment follows the end of the training.
    """
    return max((plan.held_on for name, plan in sessions.items() if name not in fallen_out), default=None)


def training_verdict(procedure: Procedure, attended: int, planned: int) -> DecisionTrace:
    """Whether attendance suffices for completing (结业): `COMPLETED` or `ATTENDANCE_BELOW_MINIMUM`.

    Args:
        procedure: the figures in force in the class's region.
        attended: minutes.
        planned: minutes of the sessions that took place; with none nothing suffices.

    Source: demo-procedure, entry procedure, attendance_permille (DEMO; the notice states no threshold).
    """
    enough = procedure.attended_enough(attended, planned)
    result = COMPLETED if enough else ATTENDANCE_BELOW_MINIMUM
    return procedure.judged("attendance_permille", {"attended": attended, "planned": planned}, result)
