"""The whole net: cases that other cases run, and whether a definition is sound.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None

# Rows that are there already need a value for what may not be empty.
_ADDED: dict[str, tuple[sa.Column[object], ...]] = {
    "cases": (
        sa.Column("parent", sa.String(32), nullable=True),
        sa.Column("parent_firing", sa.Integer(), nullable=True),
        sa.Column("parent_index", sa.Integer(), nullable=True),
        sa.Column("root", sa.String(32), nullable=True),
        sa.Column("net", sa.String(64), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False, server_default="0"),
    ),
    "definition_versions": (sa.Column("soundness", sa.String(16), nullable=True),),
}
_INDEXES = (
    ("cases_by_parent", "cases", ["tenant", "parent"]),
    ("cases_by_root", "cases", ["tenant", "root"]),
)


def upgrade() -> None:
    """Add the columns."""
    for table, columns in _ADDED.items():
        for column in columns:
            op.add_column(table, column)
    for name, table, indexed in _INDEXES:
        op.create_index(name, table, indexed)


def downgrade() -> None:
    """Take them away again."""
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    for table, columns in reversed(_ADDED.items()):
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column.name)
