"""Old labels that new ones contradict, in SQL: which labels were compared, and cards that come back for it."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from service import database, tables
from service.reviews.schemas import TrainingLabel

BOT, CARD, VOTE, LABEL, TURN = tables.bot, tables.card, tables.vote, tables.label, tables.turn
PAIR = tables.contradiction


class Contradiction(NamedTuple):
    """Two turns that say the same, labelled differently."""

    old: TrainingLabel
    new: TrainingLabel


class News(NamedTuple):
    """Labels by vote that were not held against older ones yet: those after `after`, up to `last`."""

    after: int
    last: int
    turn_ids: list[int]


def news(connection: sa.Connection, bot: str, limit: int) -> News:
    """The oldest of them; no turns where there are none."""
    after: int = connection.execute(sa.select(BOT.c.compared_label).where(BOT.c.name == bot)).scalar_one()
    by_vote = (LABEL.c.bot == bot, LABEL.c.use == "train", LABEL.c.origin == "vote", LABEL.c.id > after)
    rows = connection.execute(sa.select(LABEL.c.id, LABEL.c.turn_id).where(*by_vote).order_by(LABEL.c.id).limit(limit))
    found = rows.all()
    return News(after, found[-1].id if found else after, [row.turn_id for row in found])


def said_alike(connection: sa.Connection, bot: str, turn_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Each of the turns with the others of the same text that were labelled for training."""
    other = TURN.alias()
    is_labelled = sa.exists().where(LABEL.c.turn_id == other.c.id, LABEL.c.use == "train")
    # Asked for a bot's turns among some ids, SQLite walks all of the bot's; so the bot is asked of the others.
    query = (
        sa.select(TURN.c.id, other.c.id)
        .join(other, (other.c.bot == bot) & (other.c.text_key == TURN.c.text_key) & (other.c.id != TURN.c.id))
        .where(TURN.c.id.in_(turn_ids), is_labelled)
    )
    return [(one, alike) for one, alike in connection.execute(query)]


def bring_back(
    connection: sa.Connection, bot: str, seen: News, found: Iterable[Contradiction], now: datetime
) -> list[str]:
    """Put the older label's card of each pair before an adjudicator, once a pair; those cards. Nothing
    where another job compared these labels just now."""
    is_next = (BOT.c.name == bot, BOT.c.compared_label == seen.after)
    if not connection.execute(sa.update(BOT).where(*is_next).values(compared_label=seen.last)).rowcount:
        return []
    return [card_id for pair in found if (card_id := _bring_back(connection, bot, pair, now)) is not None]


def _bring_back(connection: sa.Connection, bot: str, pair: Contradiction, now: datetime) -> str | None:
    card_id = _card_of(connection, bot, pair.old, now)
    low, high = sorted((pair.old.turn_id, pair.new.turn_id))
    row = {"low_turn": low, "high_turn": high, "bot": bot, "card_id": card_id, "label_id": pair.new.id, "at": now}
    if not database.insert_new(connection, PAIR, [row]):
        return None
    last = sa.select(sa.func.max(VOTE.c.id)).where(VOTE.c.card_id == card_id).scalar_subquery()
    values = {"status": "adjudicate", "resolved_at": None, "returned_after": sa.func.coalesce(last, 0)}
    is_resolved = (CARD.c.id == card_id, CARD.c.status == "resolved")
    connection.execute(sa.update(CARD).where(*is_resolved).values(values))
    return card_id


def _card_of(connection: sa.Connection, bot: str, label: TrainingLabel, now: datetime) -> str:
    """The card that asked for the label; an imported one gets its first."""
    row = {"id": uuid.uuid4().hex, "bot": bot, "turn_id": label.turn_id, "purpose": "rank", "is_blind": False}
    row |= {"status": "adjudicate", "returned_after": 0, "created_at": now}
    database.insert_new(connection, CARD, [row])
    is_its = (CARD.c.turn_id == label.turn_id, CARD.c.purpose == "rank")
    card_id: str = connection.execute(sa.select(CARD.c.id).where(*is_its).with_for_update()).scalar_one()
    return card_id
