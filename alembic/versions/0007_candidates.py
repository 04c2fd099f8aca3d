"""Who a scan may be of, where a person has to choose.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add it."""
    op.create_table(
        "candidates",
        sa.Column("id", ID, nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=12), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("identity", sa.JSON(), nullable=False),
        sa.Column("differences", sa.JSON(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("chosen_at", MOMENT, nullable=True),
        sa.Column("chosen_by", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_candidates_scan_id_scans"),
        sa.PrimaryKeyConstraint("id", name="pk_candidates"),
    )
    op.create_index("ix_candidates_scan_id_key", "candidates", ["scan_id", "key"], unique=True)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("candidates")
