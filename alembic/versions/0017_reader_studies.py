"""Keep reader studies: their images, who reads, and what they say.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "studies",
        sa.Column("id", number, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("criteria", sa.JSON(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("seed", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("closed_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_studies"),
    )
    op.create_index("ix_studies_name", "studies", ["name"], unique=True)
    op.create_table(
        "study_images",
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("study_id", number, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.String(32), nullable=False),
        sa.Column("recipe", sa.String(64), nullable=False),
        sa.Column("job_id", number, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_study_images"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_images_study_id_studies"),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"], name="fk_study_images_scan_id_scans"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_study_images_job_id_jobs"),
    )
    op.create_index("ix_study_images_study_id_number", "study_images", ["study_id", "number"], unique=True)
    op.create_index("ix_study_images_job_id", "study_images", ["job_id"], unique=True)
    op.create_table(
        "study_readers",
        sa.Column("study_id", number, autoincrement=False, nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("began_at", moment),
        sa.Column("finished_at", moment),
        sa.PrimaryKeyConstraint("study_id", "reader", name="pk_study_readers"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_readers_study_id_studies"),
    )
    op.create_table(
        "study_scores",
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("criterion", sa.String(64), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("code", "reader", "criterion", name="pk_study_scores"),
        sa.ForeignKeyConstraint(["code"], ["study_images.code"], name="fk_study_scores_code_study_images"),
    )


def downgrade() -> None:
    """Forget them."""
    for table in ("study_scores", "study_readers", "study_images", "studies"):
        op.drop_table(table)
