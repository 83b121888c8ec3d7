"""A source's own tolerance and settings."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("source", sa.Column("tolerance_s", sa.Integer(), nullable=False, server_default="300"))
    op.add_column("source", sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("source", "options")
    op.drop_column("source", "tolerance_s")
