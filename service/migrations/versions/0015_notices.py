"""What a channel is told besides cards."""

import sqlalchemy as sa
from alembic import op

from service.tables import Id, Instant

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "notice",
        sa.Column("id", Id, primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("news", sa.JSON, nullable=False),
        sa.Column("message_id", sa.String(32)),
        sa.Column("decision", sa.String(12), nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("shown", sa.String(12), nullable=False),
        sa.UniqueConstraint("bot", "key"),
    )
    op.create_index("notice_by_message", "notice", ["message_id"])
    op.create_table(
        "notice_turn",
        sa.Column("notice_id", Id, primary_key=True, autoincrement=False),
        sa.Column("turn_id", Id, primary_key=True, autoincrement=False),
    )


def downgrade() -> None:
    op.drop_table("notice_turn")
    op.drop_table("notice")
