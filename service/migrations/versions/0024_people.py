"""What each source brought by day is kept; votes are found by their reviewer."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

DAY = {"sqlite": "date(at)", "postgresql": "CAST(at AT TIME ZONE 'UTC' AS date)"}


def upgrade() -> None:
    op.create_table(
        "source_day",
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bot", "source", "day"),
    )
    op.create_index("vote_by_reviewer", "vote", ["bot", "reviewer", "at", "answer"])
    counted = sa.text(DAY[op.get_bind().dialect.name])
    turn = sa.table("turn", sa.column("bot"), sa.column("source"), sa.column("received_at"))
    c = turn.c
    said = sa.select(c.bot, c.source, counted, sa.func.count(), sa.func.max(c.received_at))
    said = said.where(c.source.not_in(("import", "gold"))).group_by(c.bot, c.source, counted)
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("bot", "source", "day", "turns", "received_at")]
    op.execute(sa.insert(sa.table("source_day", *columns)).from_select(columns, said))


def downgrade() -> None:
    op.drop_index("vote_by_reviewer", "vote")
    op.drop_table("source_day")
