"""Windows that were measured, alerts, and how a proposal's cluster grew."""

import sqlalchemy as sa
from alembic import op

from service.tables import Id, Instant

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "drift_window",
        sa.Column("bot", sa.String(40), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("reference_since", sa.Date, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("reference_turns", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("is_alarm", sa.Boolean, nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("likeliest", sa.JSON, nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
    )
    op.create_table(
        "alert",
        sa.Column("id", Id, primary_key=True),
        sa.Column("bot", sa.String(40), nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("opened_at", Instant, nullable=False),
        sa.Column("closed_at", Instant),
        sa.Column("moved", sa.JSON, nullable=False),
    )
    op.create_index("alert_by_bot", "alert", ["bot", "id"])
    is_open = sa.text("closed_at IS NULL")
    op.create_index("alert_open", "alert", ["bot"], unique=True, sqlite_where=is_open, postgresql_where=is_open)
    op.add_column("proposal", sa.Column("before", sa.Float))
    op.add_column("proposal", sa.Column("now", sa.Float))


def downgrade() -> None:
    op.drop_column("proposal", "now")
    op.drop_column("proposal", "before")
    op.drop_table("alert")
    op.drop_table("drift_window")
