"""Mail that can be trusted: rules, files, reconciliations, and what a row was decided to be.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None

_TIME = sa.DateTime(timezone=True)
# Rows that are there already need a value for what may not be empty.
_ADDED: dict[str, tuple[sa.Column[object], ...]] = {
    "mailboxes": (
        sa.Column("rules", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("copies", sa.String(16), nullable=False, server_default="each"),
        sa.Column("subject_token", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("after_handling", sa.String(16), nullable=False, server_default="leave"),
        sa.Column("after_folder", sa.String(255), nullable=True),
        sa.Column("sends_per_minute", sa.Integer(), nullable=True),
        sa.Column("intake_per_minute", sa.Integer(), nullable=True),
        sa.Column("authserv_id", sa.String(255), nullable=True),
        sa.Column("alerts_to", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("read_until", _TIME, nullable=True),
        sa.Column("wanted_until", _TIME, nullable=True),
        sa.Column("gaps", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("reconciled_at", _TIME, nullable=True),
    ),
    "intake": (
        sa.Column("handled_at", _TIME, nullable=True),
        sa.Column("decided_by", sa.String(128), nullable=True),
        sa.Column("decided_at", _TIME, nullable=True),
    ),
    "cases": (sa.Column("carried", sa.JSON(), nullable=True),),
    "messages": (
        sa.Column("full_text", sa.String(), nullable=True),
        sa.Column("kind", sa.String(32), nullable=True),
        sa.Column("authentication", sa.JSON(), nullable=True),
        sa.Column("provider_id", sa.String(255), nullable=True),
    ),
    "outbox": (
        sa.Column("template", sa.String(128), nullable=True),
        sa.Column("held_for", sa.String(16), nullable=True),
        sa.Column("attempted_at", _TIME, nullable=True),
    ),
}
_NUMBERED = ("intake", "messages", "outbox")
_INDEXES = (
    ("messages_by_provider_id", "messages", ["tenant", "provider_id"]),
    ("outbox_by_attempt", "outbox", ["tenant", "mailbox_id", "attempted_at"]),
)
_IGNORED_OF_CASES = "state = 'ignored' AND case_id IS NOT NULL"


def upgrade() -> None:
    """Add the columns and the tables."""
    for table, columns in _ADDED.items():
        for column in columns:
            op.add_column(table, column)
    for name, table, indexed in _INDEXES:
        op.create_index(name, table, indexed)
    op.create_index(
        "intake_ignored_of_cases",
        "intake",
        ["tenant", "seen_at"],
        sqlite_where=sa.text(_IGNORED_OF_CASES),
        postgresql_where=sa.text(_IGNORED_OF_CASES),
    )
    op.create_table(
        "files",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("blob", sa.String(255), nullable=False),
        sa.Column("intake_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.String(128), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("files_by_intake", "files", ["tenant", "intake_id"])
    op.create_table(
        "outbox_recipients",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("outbox_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "address", "outbox_id"),
    )
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("mailbox_id", sa.String(32), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("reconciliations_by_mailbox", "reconciliations", ["tenant", "mailbox_id", "at"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("reconciliations")
    op.drop_table("outbox_recipients")
    op.drop_table("files")
    op.drop_index("intake_ignored_of_cases", "intake")
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    for table, columns in reversed(_ADDED.items()):
        # SQLite copies the table, and what it reads of it does not tell that numbers are final.
        kept = {"sqlite_autoincrement": True} if table in _NUMBERED else {}
        with op.batch_alter_table(table, table_kwargs=kept) as batch:
            for column in columns:
                batch.drop_column(column.name)
