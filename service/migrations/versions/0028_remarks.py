"""What people write about a turn is content: it moves out of votes and the audit log, and goes with the turn's."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from service.tables import Id

revision = "0028"
down_revision = "0027"

TRIGGER = (
    "CREATE TRIGGER remark_forgotten AFTER DELETE ON turn_content"
    " BEGIN DELETE FROM remark_content WHERE turn_id = OLD.turn_id; END"
)
OF_VOTES = """INSERT INTO remark_content (turn_id, vote_id, text)
    SELECT card.turn_id, vote.id, vote.why FROM vote JOIN card ON card.id = vote.card_id
    JOIN turn_content ON turn_content.turn_id = card.turn_id WHERE vote.why <> '' ORDER BY vote.id"""
TO_VOTES = """UPDATE vote SET why = (SELECT text FROM remark_content WHERE vote_id = vote.id)
    WHERE id IN (SELECT vote_id FROM remark_content)"""
LOG = sa.table("audit_log", sa.column("id", Id), sa.column("action", sa.String), sa.column("details", sa.JSON))
CONTENT = sa.table("turn_content", sa.column("turn_id", Id))
REMARK = sa.table(
    "remark_content",
    sa.column("id", Id),
    sa.column("turn_id", Id),
    sa.column("vote_id", Id),
    sa.column("label_id", Id),
    sa.column("text", sa.Text),
)


def upgrade() -> None:
    op.create_table(
        "remark_content",
        sa.Column("id", Id, primary_key=True),
        sa.Column("turn_id", Id, sa.ForeignKey("turn_content.turn_id", ondelete="CASCADE"), nullable=False),
        sa.Column("vote_id", Id),
        sa.Column("label_id", Id),
        sa.Column("text", sa.Text, nullable=False),
    )
    for name in ("turn", "vote", "label"):
        op.create_index(f"remark_by_{name}", "remark_content", [f"{name}_id"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(TRIGGER)
    op.execute(OF_VOTES)
    _out_of_the_log(op.get_bind())
    op.drop_column("vote", "why")


def _corrections(connection: sa.Connection) -> Sequence[sa.Row[Any]]:
    return connection.execute(sa.select(LOG).where(LOG.c.action == "label.correct").order_by(LOG.c.id)).all()


def _write(connection: sa.Connection, row_id: int, details: dict[str, Any]) -> None:
    connection.execute(sa.update(LOG).where(LOG.c.id == row_id).values(details=details))


def _out_of_the_log(connection: sa.Connection) -> None:
    for row in _corrections(connection):
        kept = dict(row.details)
        reason = kept.pop("reason", "")
        _write(connection, row.id, kept)
        if reason:
            _about_the_label(connection, kept["turn"], kept["label"], reason)


def _about_the_label(connection: sa.Connection, turn_id: int, label_id: int, reason: str) -> None:
    """The same reason stands in the correction's vote, where there is one: the gold set has none."""
    its = sa.select(sa.func.min(REMARK.c.id)).where(
        REMARK.c.turn_id == turn_id, REMARK.c.text == reason, REMARK.c.label_id.is_(None)
    )
    known = connection.scalar(its)
    if known is not None:
        connection.execute(sa.update(REMARK).where(REMARK.c.id == known).values(label_id=label_id))
    elif connection.scalar(sa.select(CONTENT.c.turn_id).where(CONTENT.c.turn_id == turn_id)) is not None:
        connection.execute(sa.insert(REMARK).values(turn_id=turn_id, label_id=label_id, text=reason))


def _into_the_log(connection: sa.Connection) -> None:
    said, reasons = sa.select(REMARK).where(REMARK.c.label_id.is_not(None)), defaultdict[int, list[str]](list)
    for row in connection.execute(said.order_by(REMARK.c.id)):
        reasons[row.label_id].append(row.text)
    for row in _corrections(connection):
        if of_label := reasons[row.details["label"]]:
            _write(connection, row.id, row.details | {"reason": of_label.pop(0)})


def downgrade() -> None:
    op.add_column("vote", sa.Column("why", sa.Text(), nullable=False, server_default=""))
    op.execute(TO_VOTES)
    _into_the_log(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER remark_forgotten")
    op.drop_table("remark_content")
