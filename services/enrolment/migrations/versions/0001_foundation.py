"""The kernel's tables and enrolment's first read models."""

from alembic import op

from services.enrolment.projections import (
    classes_by_state,
    institutions,
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
    for read_model in (classes_by_state, institutions):
        for table in read_model.projection.tables:
            table.create(connection)
