"""What each day brought is kept; labels are found by time."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

DAY = {"sqlite": "date({at})", "postgresql": "CAST({at} AT TIME ZONE 'UTC' AS date)"}


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("bot", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bot_version", sa.String(length=100), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bot", "day", "bot_version", "what"),
    )
    op.create_index("label_by_time", "label", ["bot", "at"])
    for counted in _counted(DAY[op.get_bind().dialect.name]):
        op.execute(f"INSERT INTO tally (bot, day, bot_version, what, n) {counted} GROUP BY 1, 2, 3, 4")


def _counted(day: str) -> Iterator[str]:
    """What was there before the table: turns that people said, the marks of turns, and reports."""
    said = f"SELECT bot, {day.format(at='at')}, bot_version, '{{}}', count(*) FROM turn WHERE source NOT IN ('import', 'gold')"
    yield said.format("turn")
    yield said.format("asked") + " AND NOT is_slot_fill"
    yield said.format("fallback") + " AND NOT is_slot_fill AND is_fallback"
    yield (
        f"SELECT turn.bot, {day.format(at='turn.at')}, turn.bot_version, 'mark.' || mark.kind, count(*)"
        " FROM mark JOIN turn ON turn.id = mark.turn_id"
    )
    kind = "CASE WHEN is_explicit THEN 'report' ELSE 'inferred' END"
    yield f"SELECT bot, {day.format(at='at')}, '', {kind}, count(*) FROM report"


def downgrade() -> None:
    op.drop_index("label_by_time", "label")
    op.drop_table("tally")
