"""The kernel's tables of parked foreign facts and of rebuilds, for databases made before them."""

from alembic import op

from shared.eventstore.tables import metadata

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates what the first migration of an earlier version did not."""
    metadata.create_all(op.get_bind())
