"""The kernel's tables of parked foreign facts and of rebuilds, for databases made before them."""

from alembic import op

from shared.eventstore.tables import metadata

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOVE_CURSORS = """
    DO $$ BEGIN
        IF to_regclass('ledger_cursors') IS NOT NULL THEN
            INSERT INTO positions (consumer, source, topic, partition, position, digest, kafka_offset)
            SELECT 'audit.projections.' || projection, 'ledger', 'ledger', 0, next, '', 0 FROM ledger_cursors
            WHERE next > 0;
            DROP TABLE ledger_cursors;
        END IF;
    END $$"""
"""Cursors of the read models moved from a table of audit's own to the kernel's positions."""


def upgrade() -> None:
    """Creates what the first migration of an earlier version did not, and moves the read models' cursors."""
    metadata.create_all(op.get_bind())
    op.execute(_MOVE_CURSORS)
