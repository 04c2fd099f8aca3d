"""Find the few scans in a state without reading the others.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the index have the ids, too."""
    op.create_index("ix_scans_state_id", "scans", ["state", "id"])
    op.drop_index("ix_scans_state", table_name="scans")


def downgrade() -> None:
    """Take them out."""
    op.create_index("ix_scans_state", "scans", ["state"])
    op.drop_index("ix_scans_state_id", table_name="scans")
