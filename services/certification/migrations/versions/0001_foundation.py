"""The kernel's tables and certification's first read models."""

from alembic import op

from services.certification.projections import (
    approved_bodies,
    candidates_by_body,
    certificates_by_person,
)
from shared.runtime.migrate import create_kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates everything; there is nothing before it."""
    connection = op.get_bind()
    create_kernel(connection)
    for read_model in (approved_bodies, candidates_by_body, certificates_by_person):
        for table in read_model.projection.tables:
            table.create(connection)
