"""The subsidy standard of a claim, looked up in the packages by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from zeren.generator.policy_files import PolicyFiles

_BEST_FIRST = ("CITY", "PROVINCE", "NATION", "DEMO")


class Standards:
    """Amounts in fen by region, payee, level and certificate."""

    def __init__(self, policy: PolicyFiles) -> None:
        self._packages = sorted(
            (package for package in policy.packages.values() if "standards" in package),
            key=lambda package: _BEST_FIRST.index(package["precedence"]),
        )
        self._listed = [
            (package, row) for package in policy.packages.values() for row in package.get("listed", [])
        ]

    def amount_fen(
        self, *, region: str, payee: str, occupation: str, level: str, certificate_kind: str, issued_on: date
    ) -> int:
        """The best package that covers the place and date and has an entry; then its uplift.

        City beats province beats nation beats DEMO; the certificate's date picks the version (domain.md 2.6).
        """
        for package in self._packages:
            if not (_covers(package, region) and _in_force(package, issued_on)):
                continue
            for entry in package["standards"]:
                if (
                    entry["kind"] == "TRAINING"
                    and payee in entry["payees"]
                    and entry["level"] == level
                    and certificate_kind in entry["certificate_kinds"]
                    and occupation in entry.get("occupations", [occupation])
                    and _in_force(entry, issued_on)
                ):
                    permille = self._uplift_permille(package, region, occupation, issued_on)
                    return int(entry["amount_fen"]) + _half_up(entry["amount_fen"] * permille)
        raise LookupError(f"没有适用的补贴标准 / no standard for {region} {payee} {occupation} {level}")

    def _uplift_permille(self, package: dict[str, Any], region: str, occupation: str, issued_on: date) -> int:
        for uplift in package.get("uplifts", []):
            listed = any(
                row["list_id"] == uplift["list_id"]
                and row["occupation_id"] == occupation
                and _covers(owner, region)
                and _in_force(owner, issued_on)
                for owner, row in self._listed
            )
            if listed and uplift["kind"] == "TRAINING" and _in_force(uplift, issued_on):
                return int(uplift["permille"])
        return 0


def _covers(package: dict[str, Any], region: str) -> bool:
    """A province's package holds in all its cities, a city's in the city alone (平潭 is not 福州)."""
    place = package.get("region")
    return place is None or place == region or (place.endswith("0000") and place[:2] == region[:2])


def _in_force(dated: dict[str, Any], on: date) -> bool:
    return bool(dated.get("effective_from", date.min) <= on <= dated.get("effective_to", date.max))


def _half_up(thousandths: int) -> int:
    return (thousandths + 500) // 1000
