"""The kernel's table of parked foreign facts, for databases made before it."""

from alembic import op

from shared.eventstore.tables import parked_facts

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates it unless the first migration did."""
    parked_facts.create(op.get_bind(), checkfirst=True)
