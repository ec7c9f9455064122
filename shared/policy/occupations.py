"""The occupation catalogue: ids of our own, and the codes they had in each edition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shared.policy.package import Alias, Occupation
from shared.policy.refusals import UnknownOccupation


@dataclass(frozen=True, slots=True)
class OccupationCatalogue:
    """Occupations by id and by (edition, code)."""

    _by_id: Mapping[str, Occupation]
    _by_code: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, occupations: Iterable[Occupation], aliases: Iterable[Alias]) -> OccupationCatalogue:
        """A catalogue of these occupations; every alias names one of them."""
        by_id = {occupation.id: occupation for occupation in occupations}
        by_code = {(alias.edition, alias.code): alias.occupation_id for alias in aliases}
        return cls(MappingProxyType(by_id), MappingProxyType(by_code))

    @property
    def all(self) -> tuple[Occupation, ...]:
        """Every occupation, in the packages' order."""
        return tuple(self._by_id.values())

    def find(self, occupation_id: str) -> Occupation:
        """Raises: UnknownOccupation."""
        try:
            return self._by_id[occupation_id]
        except KeyError:
            raise UnknownOccupation(occupation_id) from None

    def find_by_code(self, edition: str, code: str) -> Occupation:
        """The occupation that had a code in an edition ("2022", "4-10-01-05").

        A code alone names nothing: 4-02-07-10 was one occupation in 2020 and is another in 2022.

        Raises: UnknownOccupation.
        """
        try:
            return self._by_id[self._by_code[edition, code]]
        except KeyError:
            raise UnknownOccupation(f"{edition} {code}") from None
