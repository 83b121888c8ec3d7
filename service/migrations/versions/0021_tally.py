"""What each day brought is kept; labels are found by time."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

TURN = sa.table(
    "turn",
    *(sa.column(name) for name in ("id", "bot", "at", "bot_version", "source")),
    *(sa.column(name, sa.Boolean) for name in ("is_slot_fill", "is_fallback")),
)
MARK = sa.table("mark", sa.column("turn_id"), sa.column("kind"))
REPORT = sa.table("report", sa.column("bot"), sa.column("at"), sa.column("is_explicit", sa.Boolean))


def upgrade() -> None:
    tally = op.create_table(
        "tally",
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bot_version", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "day", "bot_version", "what"),
    )
    op.create_index("label_by_time", "label", ["bot", "at"])
    for counted in _counted():
        found = counted.add_columns(sa.func.count()).group_by(sa.text("1, 2, 3, 4"))
        op.execute(tally.insert().from_select(["bot", "day", "bot_version", "what", "n"], found))


def _counted() -> Iterator[sa.Select[Any]]:
    """What was there before the table: turns that people said, the marks of turns, and reports."""
    turn, report = TURN.c, REPORT.c
    said = sa.select(turn.bot, _day(turn.at), turn.bot_version).where(turn.source.not_in(("import", "gold")))
    asked = said.where(~turn.is_slot_fill)
    yield said.add_columns(sa.literal_column("'turn'"))
    yield asked.add_columns(sa.literal_column("'asked'"))
    yield asked.where(turn.is_fallback).add_columns(sa.literal_column("'fallback'"))
    marked = sa.select(turn.bot, _day(turn.at), turn.bot_version, sa.literal_column("'mark.'").op("||")(MARK.c.kind))
    yield marked.join_from(TURN, MARK, MARK.c.turn_id == turn.id)
    kind = sa.case((report.is_explicit, sa.literal_column("'report'")), else_=sa.literal_column("'inferred'"))
    yield sa.select(report.bot, _day(report.at), sa.literal_column("''"), kind)


def _day(at: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """UTC's."""
    if op.get_bind().dialect.name == "sqlite":
        return sa.func.date(at)
    return sa.cast(sa.func.timezone(sa.literal_column("'UTC'"), at), sa.Date)


def downgrade() -> None:
    op.drop_index("label_by_time", "label")
    op.drop_table("tally")
