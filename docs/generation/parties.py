"""Who writes each fact and who reads it, as the code that does so says: deciders, policies, reactions, read models."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from services.audit.consumers import LEDGERED
from shared.access.commands import refused_actions
from shared.businessday.adopt import OPENED, adopt
from shared.contracts.fact import SERVICES, FactType
from shared.decider import Decider
from shared.eventstore.businessdate import business_day
from shared.eventstore.projection import Projection
from shared.intake.receipt import notes, receipts
from shared.messaging.parked_facts import discarding
from shared.messaging.topics import facts_topic

KERNEL: Sequence[Decider[Any, Any, Any]] = (receipts, notes, refused_actions, discarding, business_day)
"""Deciders that several services have; which of them writes a fact, the registry says."""

POLICY, REACTION, READ_MODEL, FOLLOWER, LEDGER, RECEIPT = (
    "policy", "reaction", "read model", "follower", "ledger", "receipt",
)  # fmt: skip
CHINESE = {
    POLICY: "策略",
    REACTION: "反应",
    READ_MODEL: "读模型",
    FOLLOWER: "跟随者",
    LEDGER: "账本",
    RECEIPT: "回执",
}


class Reader(NamedTuple):
    """Something that reads a fact.

    Attributes:
        party: the service, or "institutions".
        kind: a key of `CHINESE`.
        name: of the policy, read model and so on; "" for the ledger and receipts.
    """

    party: str
    kind: str
    name: str = ""


def writers(entry: FactType) -> list[str]:
    """The deciders that write a fact, by name. Raises: LookupError: none does, so nobody could ever write it."""
    found = [each.name for each in (*_deciders(entry.service), *KERNEL) if entry.cls in each.events]
    if not found:
        raise LookupError(f"{entry.name}: no decider of {entry.service} has it among its events")
    return found


@cache
def _deciders(service: str) -> tuple[Decider[Any, Any, Any], ...]:
    package = importlib.import_module(f"services.{service}.domain")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    found = {
        each.name: each for module in modules for each in vars(module).values() if isinstance(each, Decider)
    }
    return tuple(found.values())


def readers(entry: FactType) -> list[Reader]:
    """Everything that reads a fact, in the order of the services."""
    found = [each for service in SERVICES for each in _readers_in(service, entry)]
    if facts_topic(entry.service) in LEDGERED:
        found.append(Reader("audit", LEDGER))
    if entry.cls in receipts.events:
        found.append(Reader("institutions", RECEIPT))
    return found


def followed(service: str, source: str) -> list[type]:
    """The classes of another service's facts by which a service decides, by name."""
    policies = _consumers(service).SOURCES.get(source, {})
    reactions = {name.split(".")[2] for name in _reactions(service) if name.split(".")[1] == source}
    classes: set[type] = {*policies}
    if reactions:
        contracts = importlib.import_module(f"shared.contracts.{source}")
        classes |= {getattr(contracts, name) for name in reactions}
    return sorted(classes, key=lambda cls: cls.__name__)


def _readers_in(service: str, entry: FactType) -> Iterator[Reader]:
    consumers = _consumers(service)
    policy = consumers.SOURCES.get(entry.service, {}).get(entry.cls)
    if policy is not None:
        yield Reader(service, POLICY, policy.__name__)
    reaction = _reactions(service).get(entry.name)
    if reaction is not None:
        yield Reader(service, REACTION, reaction.__name__)
    if entry.service in _projected(service):
        for projection in consumers.PROJECTIONS:
            if _folds(projection, entry):
                yield Reader(service, READ_MODEL, projection.name)
    if service == entry.service:
        for name, classes in getattr(consumers, "FOLLOWERS", {}).items():
            if entry.cls in classes:
                yield Reader(service, FOLLOWER, name)


def _consumers(service: str) -> ModuleType:
    return importlib.import_module(f"services.{service}.consumers")


def _reactions(service: str) -> dict[str, Any]:
    """By fact name; the business day, which enrolment opens, is adopted by the kernel of the others."""
    policies = importlib.import_module(f"services.{service}.policies")
    adopted = {} if service == "enrolment" else {OPENED: adopt}
    return {**getattr(policies, "REACTIONS", {}), **adopted}


def _projected(service: str) -> Sequence[str]:
    """Whose facts a service's read models are folded from: audit's from the ledger, which has all of them."""
    return SERVICES if service == "audit" else (service,)


def _folds(projection: Projection, entry: FactType) -> bool:
    return entry.cls in projection.reads
