"""What other systems are told: endpoints, events, and how far each is on its way."""

import sqlalchemy as sa
from alembic import op

from service.tables import Id, Instant

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "endpoint",
        sa.Column("id", Id, primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("disabled_at", Instant),
        sa.Column("disabled_because", sa.String(10), nullable=False),
        sa.Column("failing_since", Instant),
        sqlite_autoincrement=True,
    )
    op.create_index("endpoint_by_bot", "endpoint", ["bot"])
    op.create_table(
        "endpoint_secret",
        sa.Column("id", Id, primary_key=True),
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("revoked_at", Instant),
    )
    op.create_index("endpoint_secret_by_endpoint", "endpoint_secret", ["endpoint_id"])
    op.create_table(
        "event",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_index("event_by_bot", "event", ["bot", "id"])
    op.create_index("event_by_time", "event", ["at"])
    op.create_table(
        "sending",
        sa.Column("endpoint_id", Id, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String(40), primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", Instant),
    )
    op.create_index("sending_by_event", "sending", ["event_id"])
    op.create_index("sending_by_time", "sending", ["next_at", "bot"])
    op.create_table(
        "attempt",
        sa.Column("id", Id, primary_key=True),
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("ms", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("error", sa.String(200), nullable=False),
    )
    op.create_index("attempt_by_event", "attempt", ["event_id"])


def downgrade() -> None:
    for table in ("attempt", "sending", "event", "endpoint_secret", "endpoint"):
        op.drop_table(table)
