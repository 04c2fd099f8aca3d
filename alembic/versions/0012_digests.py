"""The digest of a recording names its algorithm: those of before are of SHA-256.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Name it in every row."""
    op.add_column("scans", sa.Column("digest", sa.String(80), nullable=True))
    op.execute("UPDATE scans SET digest = 'sha256:' || sha256 WHERE sha256 IS NOT NULL")
    op.create_index("ix_scans_digest", "scans", ["digest"], unique=False)
    op.drop_index("ix_scans_sha256", table_name="scans")
    op.drop_column("scans", "sha256")


def downgrade() -> None:
    """Keep what can be said without a name; a recording of BLAKE3 is not looked at again."""
    op.add_column("scans", sa.Column("sha256", sa.String(64), nullable=True))
    op.execute("UPDATE scans SET sha256 = substr(digest, 8) WHERE digest LIKE 'sha256:%'")
    op.create_index("ix_scans_sha256", "scans", ["sha256"], unique=False)
    op.drop_index("ix_scans_digest", table_name="scans")
    op.drop_column("scans", "digest")
