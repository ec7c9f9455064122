"""Every projection of audit. Importing this puts all their tables on `schema.metadata`."""

from __future__ import annotations

from services.audit.projections import claims, progress_by_region, responsibility

PROJECTIONS = (
    claims.projection,
    progress_by_region.projection,
    responsibility.projection,
)
