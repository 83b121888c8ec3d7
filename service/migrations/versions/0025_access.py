"""Sessions that a key opened, roles of people whom a proxy names, and a bot's audit log by index."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.add_column("session", sa.Column("key_id", sa.String(16)))
    op.create_table(
        "person_role",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("name", "bot"),
    )
    op.create_index("audit_log_by_bot", "audit_log", ["bot", "id"])


def downgrade() -> None:
    op.drop_index("audit_log_by_bot", "audit_log")
    op.drop_table("person_role")
    op.drop_column("session", "key_id")
