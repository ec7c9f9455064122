"""Who a parked submission under an unknown key says that it is from; of those parked before it isn't known."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column where the first migration was that of an earlier version."""
    op.execute("ALTER TABLE parked ADD COLUMN IF NOT EXISTS claimed text NOT NULL DEFAULT ''")
