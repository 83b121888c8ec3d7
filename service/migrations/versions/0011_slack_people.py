"""Slack users and user groups with their roles, and apps that are chatbots."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "slack_role",
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("bot", "subject"),
    )
    op.create_table(
        "slack_member",
        sa.Column("group_id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id"),
    )
    op.create_index("slack_member_by_user", "slack_member", ["user_id"])
    op.create_table(
        "slack_app",
        sa.Column("app_id", sa.String(40), primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("slack_app")
    op.drop_index("slack_member_by_user", table_name="slack_member")
    op.drop_table("slack_member")
    op.drop_table("slack_role")
