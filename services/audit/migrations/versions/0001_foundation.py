"""The kernel's tables, the ledger, and audit's first read models."""

from alembic import op

from services.audit.ledger.tables import metadata as ledger
from services.audit.projections import catalogue, schema
from shared.runtime.migrate import create_kernel

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates everything; there is nothing before it."""
    connection = op.get_bind()
    create_kernel(connection)
    ledger.create_all(connection)
    assert catalogue.PROJECTIONS, "importing the catalogue puts every table on the schema"
    schema.metadata.create_all(connection)
