"""The policy packages as their TOML files say them: plain tables, the newest version of each package."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

POLICY_FOLDER = Path(__file__).resolve().parents[2] / "policy"


class PolicyFiles:
    """Every package of a folder.

    Attributes:
        packages: by package id.
    """

    def __init__(self, folder: Path = POLICY_FOLDER) -> None:
        self.packages: dict[str, dict[str, Any]] = {}
        for path in sorted(folder.glob("*.toml")):
            package = tomllib.loads(path.read_text(encoding="utf-8"))
            known = self.packages.get(package["package"])
            if known is None or known["version"] < package["version"]:
                self.packages[package["package"]] = package
        if not self.packages:
            raise FileNotFoundError(f"{folder} 中没有政策包 / {folder} holds no policy package")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table of this name, over all packages."""
        return [row for package in self.packages.values() for row in package.get(table, [])]

    def one(self, table: str) -> dict[str, Any]:
        """The single table of this name, of the package that holds it."""
        return next(package[table] for package in self.packages.values() if table in package)

    def target_regions(self, year: int) -> dict[str, int]:
        """Person-times to reach by region code, in the notice's order."""
        target = next(target for target in self.rows("targets") if target["year"] == year)
        return {row["region"]: row["count"] for row in target["rows"]}

    def codes(self, vocabulary: str) -> list[str]:
        """The words of a vocabulary, such as "group"."""
        return [row["code"] for row in self.rows("codes") if row["vocabulary"] == vocabulary]
