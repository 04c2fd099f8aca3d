"""Noise covariances, who released a row, when a recording was deleted, and lists of a million jobs.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "noise",
        sa.Column("measurement_id", sa.String(length=255), nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("coil_names", sa.JSON(), nullable=False),
        sa.Column("dwell_time_us", sa.Float(), nullable=False),
        sa.Column("bandwidth_factor", sa.Float(), nullable=False),
        sa.Column("matrix", sa.LargeBinary(), nullable=False),
        sa.Column("measured_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_noise_scan_id_scans"),
        sa.PrimaryKeyConstraint("measurement_id", name="pk_noise"),
    )
    for table in ("jobs", "deliveries"):
        op.add_column(table, sa.Column("released_by", sa.String(length=128), nullable=True))
    op.add_column("scans", sa.Column("deleted_at", MOMENT, nullable=True))
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"], unique=False)


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_jobs_state_id", table_name="jobs")
    op.drop_column("scans", "deleted_at")
    for table in ("deliveries", "jobs"):
        op.drop_column(table, "released_by")
    op.drop_table("noise")
