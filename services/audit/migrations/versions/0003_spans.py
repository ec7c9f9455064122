"""The span store."""

from alembic import op

from services.audit.spans.tables import metadata

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates its table."""
    metadata.create_all(op.get_bind())
