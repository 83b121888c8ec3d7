"""Several cards on a Slack message; how fast Slack is asked and what it refuses; quiet hours and a daily limit.

A post of before becomes a message of one card, named like the card, as its metadata in Slack says."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = sa.DateTime(timezone=True)

MESSAGES = """
INSERT INTO message (id, bot, channel, status, first_at, attempted_at, ts, redraw_at)
SELECT card_id, bot, channel, CASE status WHEN 'closed' THEN 'posted' ELSE status END,
       first_at, attempted_at, ts, attempted_at
FROM post
"""
# A message that is behind its card is redrawn after the migration; one that is not, not.
SHOWN = """
UPDATE post SET
    message_id = card_id,
    vote_id = COALESCE((SELECT MAX(vote.id) FROM vote WHERE vote.card_id = post.card_id), 0),
    shown = COALESCE((
        SELECT CASE WHEN (post.status = 'posted') = (card.status = 'open') THEN card.status ELSE '' END
        FROM card WHERE card.id = post.card_id AND post.status IN ('posted', 'closed')
    ), '')
"""
POSTS = """
INSERT INTO old_post (card_id, bot, channel, status, first_at, attempted_at, ts)
SELECT post.card_id, message.bot, message.channel,
       CASE WHEN message.status = 'posted' AND post.shown NOT IN ('open', '') THEN 'closed' ELSE message.status END,
       message.first_at, message.attempted_at, message.ts
FROM post JOIN message ON message.id = post.message_id
"""


def upgrade() -> None:
    op.add_column("bot", sa.Column("quiet_hours", sa.String(11), nullable=False, server_default=""))
    op.add_column("bot", sa.Column("timezone", sa.String(64), nullable=False, server_default="UTC"))
    op.add_column("bot", sa.Column("daily_limit", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "message",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("first_at", AT, nullable=False),
        sa.Column("attempted_at", AT, nullable=False),
        sa.Column("ts", sa.String(40), nullable=False),
        sa.Column("redraw_at", AT, nullable=False),
    )
    op.create_index("message_by_status", "message", ["bot", "status"])
    op.execute(MESSAGES)
    op.add_column("post", sa.Column("message_id", sa.String(32), nullable=False, server_default=""))
    op.add_column("post", sa.Column("shown", sa.String(12), nullable=False, server_default=""))
    op.add_column("post", sa.Column("vote_id", ID, nullable=False, server_default="0"))
    op.execute(SHOWN)
    for name in ("bot", "channel", "status", "first_at", "attempted_at", "ts"):
        op.drop_column("post", name)
    op.create_index("post_by_message", "post", ["message_id"])
    op.create_table(
        "slack_pace",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("until", AT, nullable=False),
    )
    op.create_table(
        "slack_trouble",
        sa.Column("channel", sa.String(40), primary_key=True),
        sa.Column("method", sa.String(60), primary_key=True),
        sa.Column("error", sa.String(60), nullable=False),
        sa.Column("since", AT, nullable=False),
        sa.Column("heard_at", AT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", AT, nullable=False),
    )


def downgrade() -> None:
    op.create_table(
        "old_post",
        sa.Column("card_id", sa.String(32), primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("first_at", AT, nullable=False),
        sa.Column("attempted_at", AT, nullable=False),
        sa.Column("ts", sa.String(40), nullable=False),
    )
    op.execute(POSTS)
    for name in ("post", "message", "slack_pace", "slack_trouble"):
        op.drop_table(name)
    op.rename_table("old_post", "post")
    for name in ("quiet_hours", "timezone", "daily_limit"):
        op.drop_column("bot", name)
