"""Releases of the training set."""

import sqlalchemy as sa
from alembic import op

from service.tables import Instant

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "release",
        sa.Column("bot", sa.String(40), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("champion", sa.Integer),
        sa.Column("accuracy", sa.JSON(none_as_null=True)),
        sa.Column("intents", sa.JSON, nullable=False),
        sa.Column("changes", sa.JSON, nullable=False),
    )
    op.create_table(
        "release_rows",
        sa.Column("bot", sa.String(40), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("release_rows")
    op.drop_table("release")
