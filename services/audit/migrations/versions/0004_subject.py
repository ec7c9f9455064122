"""The ledger's entries are found by their stream; the table that kept every envelope a second time goes."""

from alembic import op
from sqlalchemy import Connection, text

from services.audit.ledger.append import identify

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PAGE = 2_000


def upgrade() -> None:
    """Adds the column, says of every entry whose it is, and drops what was replaced."""
    op.execute("ALTER TABLE entries ADD COLUMN IF NOT EXISTS subject uuid")
    _name_streams(op.get_bind())
    op.execute("CREATE INDEX IF NOT EXISTS entries_subject_idx ON entries (subject)")
    op.execute("DROP TABLE IF EXISTS claim_history")
    op.execute("DELETE FROM positions WHERE consumer = 'audit.projections.claim_history'")


def _name_streams(connection: Connection) -> None:
    page = text("SELECT index, entry FROM entries WHERE index >= :first ORDER BY index LIMIT :page")
    named = text(
        """UPDATE entries SET subject = said.subject
           FROM unnest(CAST(:indexes AS bigint[]), CAST(:subjects AS uuid[])) AS said(index, subject)
           WHERE entries.index = said.index"""
    )
    first = 0
    while rows := connection.execute(page, {"first": first, "page": _PAGE}).all():
        said = {index: identify(entry)[1] for index, entry in rows}
        subjects = [None if one is None else one.hex() for one in said.values()]
        connection.execute(named, {"indexes": list(said), "subjects": subjects})
        first = max(said) + 1
