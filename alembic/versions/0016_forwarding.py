"""Keep how far the audit trail has been forwarded.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("channels", sa.Column("last_told", sa.BigInteger()))


def downgrade() -> None:
    """Forget it."""
    with op.batch_alter_table("channels") as channels:
        channels.drop_column("last_told")
