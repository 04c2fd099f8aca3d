"""Let readers compare pairs and write remarks, and studies be deleted.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

FK_CODE = "fk_study_scores_code_study_images"
FK_STUDY = "fk_study_scores_study_id_studies"


def upgrade() -> None:
    """Scores are of a study, and no longer of an image alone: a pair is two of them."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.add_column("studies", sa.Column("design", sa.String(16), nullable=False, server_default="scores"))
    op.add_column("studies", sa.Column("repeats", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("studies", sa.Column("deleted_at", moment))
    op.add_column("study_scores", sa.Column("study_id", number))
    op.execute(
        "UPDATE study_scores SET study_id = "
        "(SELECT study_id FROM study_images WHERE study_images.code = study_scores.code)"
    )
    with op.batch_alter_table("study_scores") as scores:
        scores.alter_column("study_id", existing_type=number, nullable=False)
        scores.drop_constraint(FK_CODE, type_="foreignkey")
        scores.create_foreign_key(FK_STUDY, "studies", ["study_id"], ["id"])
    op.create_index("ix_study_scores_study_id", "study_scores", ["study_id"])
    op.create_table(
        "study_remarks",
        sa.Column("study_id", number, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("code", "reader", name="pk_study_remarks"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name="fk_study_remarks_study_id_studies"),
    )
    op.create_index("ix_study_remarks_study_id", "study_remarks", ["study_id"])


def downgrade() -> None:
    """Forget remarks, and what was said of pairs."""
    op.drop_table("study_remarks")
    op.execute("DELETE FROM study_scores WHERE code NOT IN (SELECT code FROM study_images)")
    op.drop_index("ix_study_scores_study_id", "study_scores")
    with op.batch_alter_table("study_scores") as scores:
        scores.drop_constraint(FK_STUDY, type_="foreignkey")
        scores.create_foreign_key(FK_CODE, "study_images", ["code"], ["code"])
        scores.drop_column("study_id")
    with op.batch_alter_table("studies") as studies:
        for column in ("deleted_at", "repeats", "design"):
            studies.drop_column(column)
