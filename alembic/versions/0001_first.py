"""Scans, jobs, series in the outbox, deliveries, events.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_job_id", "events", ["job_id"], unique=False)
    op.create_index("ix_events_scan_id", "events", ["scan_id"], unique=False)
    op.create_table(
        "scans",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("peer", sa.String(length=255), nullable=False),
        sa.Column("recording", sa.String(length=255), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("n_acquisitions", sa.Integer(), nullable=False),
        sa.Column("n_waveforms", sa.Integer(), nullable=False),
        sa.Column("recipe_asked", sa.String(length=1024), nullable=False),
        sa.Column("duplicate_of", sa.String(length=32), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scans"),
    )
    op.create_index("ix_scans_sha256", "scans", ["sha256"], unique=False)
    op.create_index("ix_scans_started_at", "scans", ["started_at"], unique=False)
    op.create_index("ix_scans_state", "scans", ["state"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("recipe_asked", sa.String(length=1024), nullable=False),
        sa.Column("rule", sa.String(length=255), nullable=True),
        sa.Column("recipe", sa.String(length=64), nullable=True),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("doing", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_jobs_scan_id_scans"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_scan_id", "jobs", ["scan_id"], unique=False)
    op.create_index("ix_jobs_state_priority_run_at_id", "jobs", ["state", "priority", "run_at", "id"], unique=False)
    op.create_table(
        "series",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_series_job_id_jobs"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
    )
    op.create_index("ix_series_job_id", "series", ["job_id"], unique=False)
    op.create_index("ix_series_series_instance_uid", "series", ["series_instance_uid"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("series_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("destination", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_deliveries_job_id_jobs"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_deliveries_series_id_series"),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_job_id", "deliveries", ["job_id"], unique=False)
    op.create_index("ix_deliveries_series_id", "deliveries", ["series_id"], unique=False)
    op.create_index(
        "ix_deliveries_state_priority_run_at_id", "deliveries", ["state", "priority", "run_at", "id"], unique=False
    )
    op.create_table(
        "instances",
        sa.Column("series_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name="fk_instances_series_id_series"),
        sa.PrimaryKeyConstraint("series_id", "number", name="pk_instances"),
    )
    op.create_index("ix_instances_sop_instance_uid", "instances", ["sop_instance_uid"], unique=False)
    op.create_table(
        "delivery_items",
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("stored_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_delivery_items_delivery_id_deliveries"),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_delivery_items"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("delivery_items")
    op.drop_index("ix_instances_sop_instance_uid", table_name="instances")
    op.drop_table("instances")
    op.drop_index("ix_deliveries_state_priority_run_at_id", table_name="deliveries")
    op.drop_index("ix_deliveries_series_id", table_name="deliveries")
    op.drop_index("ix_deliveries_job_id", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index("ix_series_series_instance_uid", table_name="series")
    op.drop_index("ix_series_job_id", table_name="series")
    op.drop_table("series")
    op.drop_index("ix_jobs_state_priority_run_at_id", table_name="jobs")
    op.drop_index("ix_jobs_scan_id", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index("ix_scans_state", table_name="scans")
    op.drop_index("ix_scans_started_at", table_name="scans")
    op.drop_index("ix_scans_sha256", table_name="scans")
    op.drop_table("scans")
    op.drop_index("ix_events_scan_id", table_name="events")
    op.drop_index("ix_events_job_id", table_name="events")
    op.drop_table("events")
