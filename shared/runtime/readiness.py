"""Whether a process can do its work now: the parts of `/health/ready`, by what it runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from shared.eventstore.projector import Projector
from shared.telemetry.outages import DATABASE, KAFKA

if TYPE_CHECKING:
    from shared.runtime.service import Context

ASSIGNED, RELAY, PROJECTOR = "assigned", "relay", "projector"


class Readiness:
    """One process's."""

    def __init__(self, context: Context, roles: Collection[str], projector: Projector) -> None:
        self._context = context
        self._roles = roles
        self._projector = projector

    def parts(self) -> dict[str, bool]:
        """By part whether it is well: servers answer, partitions are assigned, relay and projector get on."""
        context = self._context
        parts = {what: context.servers.answers(what) for what in (DATABASE, KAFKA)}
        if RELAY in self._roles:
            parts[RELAY] = not context.relay.stale()
        if "worker" in self._roles:
            parts[ASSIGNED] = bool(context.consumers) and all(each.assigned() for each in context.consumers)
        if PROJECTOR in self._roles:
            parts[PROJECTOR] = not self._projector.stale()
        return parts

    def state(self) -> dict[str, Any]:
        """The answer of `/health/ready`: whether all parts are well, each of them, and what stopped."""
        parts = self.parts()
        return {"ready": all(parts.values()), **parts, "stopped": self.stopped()}

    def stopped(self) -> dict[str, str]:
        """Partitions that stopped, "<group> <topic>/<partition>", with why."""
        return {
            f"{each.group} {at.topic}/{at.partition}": why
            for each in self._context.consumers
            for at, why in each.stopped.items()
        }
