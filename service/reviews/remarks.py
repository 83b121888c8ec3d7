"""What people write about a turn: why they gave a vote, why they corrected a label.

Such words may quote whoever said the turn, so they are no part of a ledger: they lie in a table of content, redacted as
far as patterns can tell (service/bots/redacting.py), and the database deletes them with the turn's own content."""

import sqlalchemy as sa

from service import tables

REMARK, CONTENT = tables.remark_content, tables.turn_content


def keep(
    connection: sa.Connection, turn_id: int, text: str, *, vote_id: int | None = None, label_id: int | None = None
) -> None:
    """`vote_id`: the vote that it gives the reason of; `label_id`: the label that it says is wrong. Nothing is kept
    where there is nothing to keep, or the turn was forgotten."""
    if not text:
        return
    row = {"vote_id": vote_id, "label_id": label_id, "text": text}
    values = (sa.cast(value, REMARK.c[name].type) for name, value in row.items())
    of_turn = sa.select(CONTENT.c.turn_id, *values).where(CONTENT.c.turn_id == turn_id)
    of_turn = of_turn.with_for_update(read=True, key_share=True)  # who forgets the turn meanwhile is waited for
    connection.execute(sa.insert(REMARK).from_select(["turn_id", *row], of_turn))


def on_label(label: sa.FromClause) -> sa.ScalarSelect[str]:
    """Why the label was corrected last; NULL: it was not, or the turn was forgotten."""
    of_label = sa.select(REMARK.c.text).where(REMARK.c.label_id == label.c.id)
    return of_label.order_by(REMARK.c.id.desc()).limit(1).scalar_subquery()
