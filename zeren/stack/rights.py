"""What stands in `topics.toml` and `acls.toml`, as values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from zeren.stack.paths import DEPLOY_LOCAL

CLUSTER_NAME = "kafka-cluster"
_RIGHT = re.compile(r"(?P<operations>[A-Z_ ]+) on (?P<kind>TOPIC|GROUP|CLUSTER)(?: (?P<name>\S+))?")
_USCC = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")
_KINDS = {"TOPIC": ResourceType.TOPIC, "GROUP": ResourceType.GROUP, "CLUSTER": ResourceType.BROKER}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as declared: its name, its partitions (never changed) and its configuration."""

    name: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Topics:
    """The declared topics, and the pattern of an institution's receipts topic."""

    fixed: tuple[TopicSpec, ...]
    receipts: TopicSpec

    def receipts_of(self, uscc: str) -> TopicSpec:
        """The receipts topic (回执) of the institution with this unified social credit code."""
        name = self.receipts.name.format(uscc=checked_uscc(uscc))
        return TopicSpec(name=name, partitions=self.receipts.partitions, config=self.receipts.config)


@dataclass(frozen=True, slots=True)
class Rights:
    """Each principal's declared rights, the pattern of an institution's, and what each may send and fetch.

    Attributes:
        quotas: bytes a second by the quota's name, of "everybody" and of "services"; empty where none are declared.
    """

    principals: dict[str, tuple[str, ...]]
    institution_principal: str
    institution_rights: tuple[str, ...]
    quotas: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def users(self) -> tuple[str, ...]:
        """The declared principals that need credentials: all but `*`."""
        return tuple(name for name in self.principals if name != "*")

    def bindings(self) -> tuple[AclBinding, ...]:
        """All access rules of the declared principals."""
        return tuple(
            binding
            for principal, rights in self.principals.items()
            for binding in _bindings(principal, rights)
        )

    def institution(self, uscc: str) -> tuple[str, tuple[AclBinding, ...]]:
        """An institution's principal and its access rules."""
        principal = self.institution_principal.format(uscc=checked_uscc(uscc))
        rights = [right.format(uscc=uscc) for right in self.institution_rights]
        return principal, tuple(_bindings(principal, rights))


def checked_uscc(uscc: str) -> str:
    """`uscc` itself if it has the form of a unified social credit code (统一社会信用代码, GB 32100-2015).

    Only the form is judged: with it no name made of it can touch another's.

    Raises:
        ValueError: it doesn't.
    """
    if not _USCC.fullmatch(uscc):
        raise ValueError(
            f"不是统一社会信用代码（18 位）：{uscc!r} / not a unified social credit code: {uscc!r}"
        )
    return uscc


def read_topics(path: Path = DEPLOY_LOCAL / "topics.toml", *, replicated: bool = False) -> Topics:
    """Load the declared topics, for a cluster of one broker or of three."""
    raw = tomllib.loads(path.read_text("utf-8"))
    defaults = raw["defaults"] | (raw["replicated"] if replicated else {})
    fixed = tuple(
        TopicSpec(name=name, partitions=entry["partitions"], config={**defaults, **entry["config"]})
        for entry in raw["topic"]
        for name in entry["names"]
    )
    receipts = raw["institution"]
    config = {**defaults, **receipts["config"]}
    return Topics(fixed, TopicSpec(name=receipts["name"], partitions=receipts["partitions"], config=config))


def read_rights(path: Path = DEPLOY_LOCAL / "acls.toml") -> Rights:
    """Load the declared rights."""
    raw = tomllib.loads(path.read_text("utf-8"))
    return Rights(
        principals={name: tuple(rights) for name, rights in raw["principals"].items()},
        institution_principal=raw["institution"]["principal"],
        institution_rights=tuple(raw["institution"]["rights"]),
        quotas=raw.get("quotas", {}),
    )


def _bindings(principal: str, rights: Iterable[str]) -> list[AclBinding]:
    found: list[AclBinding] = []
    for right in rights:
        match = _RIGHT.fullmatch(right)
        if match is None:
            raise ValueError(f"acls.toml 中无法理解的权限：{right!r} / not a right in acls.toml: {right!r}")
        name = match["name"] or CLUSTER_NAME
        pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
        found.extend(
            AclBinding(
                restype=_KINDS[match["kind"]],
                name=name.removesuffix("*"),
                resource_pattern_type=pattern,
                principal=f"User:{principal}",
                host="*",
                operation=AclOperation[operation],
                permission_type=AclPermissionType.ALLOW,
            )
            for operation in match["operations"].split()
        )
    return found
