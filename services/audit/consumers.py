"""What audit follows: every facts topic for the ledger, its own included; enrolment's for its own decisions too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.audit.policies import POLICIES
from services.audit.projections.catalogue import PROJECTIONS as LEDGER_PROJECTIONS
from shared.contracts.fact import SERVICES
from shared.eventstore.projection import Projection
from shared.messaging.foreign import Policies
from shared.messaging.topics import facts_topic

SOURCES: Mapping[str, Policies] = {"enrolment": POLICIES}
LEDGERED: Sequence[str] = tuple(facts_topic(service) for service in SERVICES)
PROJECTIONS: Sequence[Projection] = LEDGER_PROJECTIONS
"""Read models of the ledger's entries, not of its own facts."""
