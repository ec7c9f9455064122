"""A claim's decision trace is told from its own fact; the column that kept it a second time goes."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drops the column where the first migration was that of an earlier version."""
    op.execute("ALTER TABLE claims_by_stage DROP COLUMN IF EXISTS trace")
