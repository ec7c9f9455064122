"""The kernel's tables and payment's first read models."""

from alembic import op

from services.payment.projections import (
    batches,
    claims_by_stage,
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
    for read_model in (batches, claims_by_stage):
        for table in read_model.projection.tables:
            table.create(connection)
