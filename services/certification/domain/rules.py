"""The clauses that certification decides by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from shared.contracts.certification import Scope
from shared.policy.rules import Procedure


def covers(scope: Iterable[Scope], occupation_id: str, level: str) -> bool:
    """Whether an approved scope holds the occupation at that level (职业和等级在批准范围内).

    Source: 闽人社办〔2024〕40号 二.
    """
    return any(row.occupation_id == occupation_id and level in row.levels for row in scope)


def is_independent(assessment_body: str, institution: str) -> bool:
    """Trainer ≠ assessor (考培分离), by USCC.

    Source: the practice of assessment, recorded under the code `body.is_training_institution`; the notice has
    no article for it.
    """
    return assessment_body != institution


def passes(theory: int, practice: int, procedure: Procedure) -> bool:
    """Both marks, in points of 100, reach the pass mark.

    Source: policy entry `procedure` (`pass_mark`) of the region on the business date; demo-procedure at first.
    """
    return min(theory, practice) >= procedure.pass_mark


def assessed_after_training(assessed_on: date, completed_on: date) -> bool:
    """Assessment follows training (培训后参加职业技能评价); the last day of training will do.

    Source: 人社厅发〔2023〕55号 二(十).
    """
    return assessed_on >= completed_on
