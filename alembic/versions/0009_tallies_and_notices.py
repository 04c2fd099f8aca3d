"""What has happened, counted; and what somebody should hear of, until every channel has told it.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "tallies",
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "label", "bucket", name="pk_tallies"),
    )
    op.create_table(
        "notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("row_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("destination", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_queue_row_id_id", "notices", ["queue", "row_id", "id"])
    op.create_index("ix_notices_at", "notices", ["at"])
    op.create_table(
        "notice_sends",
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("notice_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_notice_sends_notice_id_notices"),
        sa.PrimaryKeyConstraint("channel", "notice_id", name="pk_notice_sends"),
    )
    op.create_table(
        "channels",
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("channel", name="pk_channels"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("channels")
    op.drop_table("notice_sends")
    op.drop_index("ix_notices_at", table_name="notices")
    op.drop_index("ix_notices_queue_row_id_id", table_name="notices")
    op.drop_table("notices")
    op.drop_table("tallies")
