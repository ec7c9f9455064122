"""What follows from facts that every service writes, beside what follows from its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.businessday.adopt import adopted_effects
from shared.contracts.fact import Encoded, Fact
from shared.contracts.intake import (
    BusinessDayAdopted,
    ForeignFactDiscarded,
    SubmissionAccepted,
    SubmissionRejected,
)
from shared.eventstore.changes import Effect
from shared.eventstore.desk import Effects
from shared.intake.receipt import receipt_effects
from shared.messaging.parked_facts import discarded_effects

KERNEL: Mapping[type[Fact], Effects] = {
    SubmissionAccepted: receipt_effects,
    SubmissionRejected: receipt_effects,
    BusinessDayAdopted: adopted_effects,
    ForeignFactDiscarded: discarded_effects,
}


def beside_kernel(own: Effects) -> Effects:
    """A service's effects and the kernel's as one. It is called for every fact: one look finds which apply."""

    def effects(fact: Encoded) -> Iterable[Effect]:
        kernel = KERNEL.get(type(fact.data))
        return own(fact) if kernel is None else [*kernel(fact), *own(fact)]

    return effects
