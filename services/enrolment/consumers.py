"""What enrolment follows: payment's answers to erasures. Its read models come from its own facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.enrolment.policies import POLICIES
from services.enrolment.projections.classes_by_state import projection as classes_by_state
from services.enrolment.projections.institutions import projection as institutions
from shared.eventstore.projection import Projection
from shared.messaging.foreign import Policies

SOURCES: Mapping[str, Policies] = {"payment": POLICIES}
PROJECTIONS: Sequence[Projection] = (classes_by_state, institutions)
