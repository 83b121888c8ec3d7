"""Labelling functions: every set an owner wrote, the newest counts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "function_set",
        sa.Column("id", ID, primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("function_set_by_bot", "function_set", ["bot", "id"])


def downgrade() -> None:
    op.drop_table("function_set")
