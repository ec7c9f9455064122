"""The policy packages as they are shipped."""

from __future__ import annotations

from pathlib import Path

from shared.policy.loading import load_packages

BOOK = load_packages(Path(__file__).parents[1] / "policy")
