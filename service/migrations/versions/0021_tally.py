"""What each day brought is kept; labels are found by time."""

import sqlalchemy as sa
from alembic import op

from service.turns.tally import recount

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bot_version", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "day", "bot_version", "what"),
    )
    op.create_index("label_by_time", "label", ["bot", "at"])
    recount(op.get_bind())


def downgrade() -> None:
    op.drop_index("label_by_time", "label")
    op.drop_table("tally")
