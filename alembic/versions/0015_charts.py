"""Follow values of checks and of phantoms over time.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UTC = sa.DateTime(timezone=True)
KEY = ["scanner", "protocol", "subject", "quantity"]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "charts",
        sa.Column("id", ID, nullable=False),
        sa.Column("scanner", sa.String(255), nullable=False),
        sa.Column("protocol", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("quantity", sa.String(32), nullable=False),
        sa.Column("phantom", sa.String(16)),
        sa.Column("since", UTC, nullable=False),
        sa.Column("centre", sa.Float()),
        sa.Column("sigma", sa.Float()),
        sa.Column("based_until", UTC),
        sa.Column("alarm", sa.String(16)),
        sa.Column("alarm_since", UTC),
        sa.Column("last_at", UTC),
        sa.Column("last_value", sa.Float()),
        sa.PrimaryKeyConstraint("id", name="pk_charts"),
    )
    op.create_index("ix_charts_scanner_protocol_subject_quantity", "charts", KEY, unique=True)
    op.create_index("ix_charts_alarm", "charts", ["alarm"])
    op.create_table(
        "readings",
        sa.Column("id", ID, nullable=False),
        sa.Column("chart_id", ID, nullable=False),
        sa.Column("scan_id", sa.String(32), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.ForeignKeyConstraint(["chart_id"], ["charts.id"], name="fk_readings_chart_id_charts"),
    )
    op.create_index("ix_readings_chart_id_scan_id", "readings", ["chart_id", "scan_id"], unique=True)
    op.create_index("ix_readings_chart_id_at", "readings", ["chart_id", "at"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("readings")
    op.drop_table("charts")
