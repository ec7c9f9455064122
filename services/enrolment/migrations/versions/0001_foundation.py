"""The kernel's tables and enrolment's first read models."""

from alembic import op

from services.enrolment.projections.schema import metadata
from shared.runtime.migrate import create_kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates everything; there is nothing before it."""
    create_kernel(op.get_bind())
    metadata.create_all(op.get_bind())
