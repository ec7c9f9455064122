"""Refusals of the policy book: the loaded packages give no answer.

    Refusal
    ├── NoStandard          policy.no_standard
    ├── NoRule              policy.no_rule
    ├── NoTargets           policy.no_targets
    ├── NoCalendar          policy.no_calendar
    ├── UnknownRegion       policy.unknown_region
    └── UnknownOccupation   policy.unknown_occupation

And one fault: a package file that can't be used (`PolicyPackageError`), which stops the start.
"""

from __future__ import annotations

from datetime import date

from shared.contracts.trace import DecisionTrace
from shared.refusal import Refusal


class NoStandard(Refusal):
    """No subsidy standard is in force for these facts (没有适用的补贴标准).

    Attributes:
        trace: what was asked, for the fact that refuses the claim.
    """

    code = "policy.no_standard"

    def __init__(self, trace: DecisionTrace) -> None:
        super().__init__()
        self.trace = trace


class NoRule(Refusal):
    """No package in force states this rule for the region on that date (没有适用的规则)."""

    code = "policy.no_rule"

    def __init__(self, rule: str, region: str, on: date) -> None:
        super().__init__()
        self.rule, self.region, self.on = rule, region, on


class NoTargets(Refusal):
    """No package carries that year's targets (没有该年度的目标任务)."""

    code = "policy.no_targets"

    def __init__(self, year: int) -> None:
        super().__init__()
        self.year = year


class NoCalendar(Refusal):
    """No calendar package covers that year (没有该年度的工作日历): load it before the days are needed."""

    code = "policy.no_calendar"

    def __init__(self, year: int) -> None:
        super().__init__()
        self.year = year


class UnknownRegion(Refusal):
    """The code lies in no region that has an authority (未知地区)."""

    code = "policy.unknown_region"

    def __init__(self, region: str) -> None:
        super().__init__()
        self.region = region


class UnknownOccupation(Refusal):
    """The catalogue has no such occupation, or no such code in that edition (未知职业)."""

    code = "policy.unknown_occupation"

    def __init__(self, occupation: str) -> None:
        super().__init__()
        self.occupation = occupation


class PolicyPackageError(ValueError):
    """A package file can't be used. Correct the file; nothing starts with half a policy.

    Attributes:
        file: the file's name.
        entry: where in it ("standards[level-5]"), or "" for the whole file.
        problem, remedy: Chinese, then English.
    """

    def __init__(self, file: str, entry: str, problem: str, remedy: str) -> None:
        where = f"{file} {entry}".strip()
        super().__init__(f"{where}: {problem}. {remedy}")
        self.file, self.entry, self.problem, self.remedy = file, entry, problem, remedy
