"""What the page watches: how fast a scan arrives, who is at work, which destinations are away, the log of each job.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.add_column("scans", sa.Column("bytes_per_s", sa.Float(), nullable=False, server_default="0"))
    op.create_index("ix_jobs_state_finished_at", "jobs", ["state", "finished_at"])
    op.create_index("ix_deliveries_state_job_id", "deliveries", ["state", "job_id"])
    op.create_index(
        "ix_deliveries_destination_state_finished_at", "deliveries", ["destination", "state", "finished_at"]
    )
    op.create_table(
        "presences",
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_presences"),
    )
    op.create_table(
        "absences",
        sa.Column("destination", sa.String(length=255), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name="pk_absences"),
    )
    op.create_table(
        "log_lines",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_lines"),
    )
    op.create_index("ix_log_lines_job_id_id", "log_lines", ["job_id", "id"])
    op.create_index("ix_log_lines_at", "log_lines", ["at"])


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_log_lines_at", table_name="log_lines")
    op.drop_index("ix_log_lines_job_id_id", table_name="log_lines")
    op.drop_table("log_lines")
    op.drop_table("absences")
    op.drop_table("presences")
    op.drop_index("ix_deliveries_destination_state_finished_at", table_name="deliveries")
    op.drop_index("ix_deliveries_state_job_id", table_name="deliveries")
    op.drop_index("ix_jobs_state_finished_at", table_name="jobs")
    op.drop_column("scans", "bytes_per_s")
