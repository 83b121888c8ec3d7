"""An owner chooses whose uncertainty ranks a bot's turns; a prediction says whose it holds."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("bot", sa.Column("uncertainty", sa.String(length=12), nullable=False, server_default="ours"))
    op.add_column("prediction", sa.Column("whose", sa.String(length=12), nullable=False, server_default="ours"))
    op.add_column("prediction", sa.Column("confidence", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("prediction", "confidence")
    op.drop_column("prediction", "whose")
    op.drop_column("bot", "uncertainty")
