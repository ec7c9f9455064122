"""What follows from facts in audit's kernel tables. The ledger is not here: it takes every fact, whatever it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
)
from shared.contracts.fact import Encoded, Envelope, Fact
from shared.eventstore.changes import Effect
from shared.intake.keys import when_institution_key_registered, when_institution_key_revoked


def effects(_encoded: Encoded) -> Iterable[Effect]:
    """Readings take nothing and wake nobody."""
    return ()


def when_institution_registered(_fact: Envelope[InstitutionRegistered]) -> list[Effect]:
    """The organisation can be named; the kernel keeps the fact."""
    return []


POLICIES: dict[type[Fact], Callable[[Envelope[Any]], list[Effect]]] = {
    InstitutionRegistered: when_institution_registered,
    InstitutionKeyRegistered: when_institution_key_registered,
    InstitutionKeyRevoked: when_institution_key_revoked,
}
