"""People who sign in at an identity provider, and browsers on their way there.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("people", sa.Column("subject", sa.String(length=512), nullable=True))
    op.add_column("people", sa.Column("mapped", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_people_subject", "people", ["subject"], unique=True)
    op.create_table(
        "errands",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=64), nullable=False),
        sa.Column("invitation", sa.String(length=64), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_errands"),
    )
    op.create_index("ix_errands_expires_at", "errands", ["expires_at"])


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_errands_expires_at", table_name="errands")
    op.drop_table("errands")
    op.drop_index("ix_people_subject", table_name="people")
    op.drop_column("people", "mapped")
    op.drop_column("people", "subject")
