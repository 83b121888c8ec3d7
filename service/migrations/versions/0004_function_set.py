"""Labelling functions: every set an owner wrote, the newest counts."""

import sqlalchemy as sa
from alembic import op

from service.tables import Id, Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "function_set",
        sa.Column("id", Id, primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("function_set_by_bot", "function_set", ["bot", "id"])


def downgrade() -> None:
    op.drop_table("function_set")
