"""What certification follows, and its read models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.certification.policies import POLICIES
from services.certification.projections.approved_bodies import projection as approved_bodies
from services.certification.projections.candidates_by_body import projection as candidates_by_body
from services.certification.projections.certificates_by_person import projection as certificates_by_person
from shared.eventstore.projection import Projection
from shared.messaging.foreign import Policies

SOURCES: Mapping[str, Policies] = {"enrolment": POLICIES}
PROJECTIONS: Sequence[Projection] = (approved_bodies, candidates_by_body, certificates_by_person)
