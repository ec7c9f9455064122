"""Regions by code: the longest prefix wins, so that 平潭 350128 is never counted to 福州 3501."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.policy.package import Region
from shared.policy.refusals import UnknownRegion


def prefix_of(code: str) -> str:
    """What a code covers: 350000 is "35", 350100 is "3501", 350128 is itself."""
    while code.endswith("00"):
        code = code[:-2]
    return code


@dataclass(frozen=True, slots=True)
class RegionTable:
    """The regions that have an authority, the longest prefix first."""

    regions: tuple[Region, ...]
    _prefixes: tuple[tuple[str, Region], ...]

    @classmethod
    def of(cls, regions: Iterable[Region]) -> RegionTable:
        """A table of these regions, in their given order."""
        listed = tuple(regions)
        prefixes = sorted(((prefix_of(region.code), region) for region in listed), key=lambda p: -len(p[0]))
        return cls(listed, tuple(prefixes))

    def find(self, code: str) -> Region:
        """The region whose authority answers for a code of six digits or more. Raises: UnknownRegion."""
        for prefix, region in self._prefixes:
            if code.startswith(prefix):
                return region
        raise UnknownRegion(code)

    def covers(self, package_region: str | None, code: str) -> bool:
        """Whether a package's region reaches a code: a city's own region, a whole province, or everywhere.

        Raises: UnknownRegion: no authority answers for the code.
        """
        found = self.find(code)
        if package_region is None:
            return True
        if package_region.endswith("0000"):
            return found.code.startswith(prefix_of(package_region))
        return found.code == package_region
