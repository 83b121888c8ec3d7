"""What the owner wants of a bot, and what its errors cost."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("bot", sa.Column("target", sa.Float()))
    op.add_column("bot", sa.Column("minutes_per_error", sa.Float()))


def downgrade() -> None:
    op.drop_column("bot", "minutes_per_error")
    op.drop_column("bot", "target")
