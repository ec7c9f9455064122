"""A published policy package version: which bytes were the rules. One stream a package and version."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.payment import PolicyPublished
from shared.decider import Decider
from shared.identity import derive_id
from shared.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Says that this version, with these bytes, is in use."""

    published: PolicyPublished


class VersionChanged(Refusal):
    """The version was published with other bytes: it is immutable."""

    code = "policy.version_changed"


def published_policy_id(package: str, version: int) -> str:
    """The stream of a package's version."""
    return derive_id("payment", "policy", package, str(version))


def decide(command: Publish, state: str) -> list[PolicyPublished]:
    """See `shared.decider`. The state is the published digest, or ""."""
    if not state:
        return [command.published]
    if state != command.published.sha256:
        raise VersionChanged("sha256")
    return []


def evolve(_state: str, event: PolicyPublished) -> str:
    """See `shared.decider`."""
    return event.sha256


published_policy: Decider[Publish, str, PolicyPublished] = Decider(
    "published_policy", "", decide, evolve, (PolicyPublished,)
)
