"""What enrolment follows: payment's answers to erasures. Its read models come from its own facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.enrolment.policies import POLICIES
from services.enrolment.projections.classes_by_state import projection as classes_by_state
from services.enrolment.projections.institutions import projection as institutions
from shared.contracts.enrolment import SERVICE, ErasureConfirmed
from shared.contracts.fact import Fact
from shared.eventstore.projection import Projection
from shared.messaging.foreign import Policies

SOURCES: Mapping[str, Policies] = {"payment": POLICIES}
PROJECTIONS: Sequence[Projection] = (classes_by_state, institutions)
ERASURE_FOLLOWER = f"{SERVICE}.erasure"
FOLLOWERS: Mapping[str, Sequence[type[Fact]]] = {ERASURE_FOLLOWER: (ErasureConfirmed,)}
"""What acts on own facts outside the database: the vault's deletions."""
