"""Where a checkpoint's leaves came from is kept with it; before, it was read from the entries when it was published."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMN = "ALTER TABLE checkpoints ADD COLUMN IF NOT EXISTS runs text NOT NULL DEFAULT '[]'"
# Within a run an entry's index and its number among those of its place grow alike.
_OF_THE_UNPUBLISHED = """
    WITH since AS (
        SELECT size, published, lag(size, 1, 0::bigint) OVER (ORDER BY size) AS before FROM checkpoints
    ), placed AS (
        SELECT since.size, index, source, topic, partition,
               index - row_number() OVER (PARTITION BY since.size, source, topic, partition ORDER BY index) AS run
        FROM since JOIN entries ON index >= before AND index < since.size WHERE NOT published
    ), runs AS (
        SELECT size, source, topic, partition, count(*) AS leaves, min(index) AS first
        FROM placed GROUP BY size, source, topic, partition, run
    ), told AS (
        SELECT size, json_agg(json_build_array(source, topic, partition, leaves) ORDER BY first)::text AS runs
        FROM runs GROUP BY size
    )
    UPDATE checkpoints SET runs = told.runs FROM told WHERE told.size = checkpoints.size
"""


def upgrade() -> None:
    """Adds the column where the first migration was that of an earlier version, and fills what will yet be sent."""
    op.execute(_COLUMN)
    op.execute(_OF_THE_UNPUBLISHED)
