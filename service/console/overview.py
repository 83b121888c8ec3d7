"""What the console's pages count and recall."""

from datetime import datetime

import msgspec
import sqlalchemy as sa

from service import tables
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.reviews import store
from service.slack_trouble import Trouble, troubles

CARD, VOTE, CONTENT, INTENT = tables.card, tables.vote, tables.turn_content, tables.intent


class BotCounts(msgspec.Struct, frozen=True):
    name: str
    turns: int
    cards: int  # open
    labels: int  # turns with a label that may train
    champion: int | None
    refused: list[Trouble]  # by Slack, in its channel


class LastVote(msgspec.Struct, frozen=True):
    """What "undo" would take back."""

    card: str
    text: str
    answer: str  # an intent's name, or another answer


def bots(connection: sa.Connection) -> list[BotCounts]:
    return [_counts(connection, bot) for bot in list_bots(connection)]


def _counts(connection: sa.Connection, bot: Bot) -> BotCounts:
    name = bot.name
    turn, label = tables.turn, tables.label
    turns = sa.select(sa.func.count()).where(turn.c.bot == name, turn.c.source.not_in(tables.NOT_SAID))
    labelled = sa.select(sa.func.count(label.c.turn_id.distinct())).where(label.c.bot == name, label.c.use == "train")
    return BotCounts(
        name,
        connection.scalar(turns) or 0,
        store.count_open(connection, name),
        connection.scalar(labelled) or 0,
        bot.champion,
        troubles(connection, bot.slack_channel) if bot.slack_channel else [],
    )


def last_vote(connection: sa.Connection, bot: str, reviewer: str, since: datetime) -> LastVote | None:
    """The reviewer's newest vote that is not undone; None when there is none since then, or its turn is forgotten."""
    card_id = store.last_answered(connection, bot, reviewer, since)
    if card_id is None:
        return None
    is_intent = (INTENT.c.bot == VOTE.c.bot) & (INTENT.c.id == VOTE.c.intent_id)
    query = (
        sa.select(VOTE.c.card_id, CONTENT.c.text, VOTE.c.answer, VOTE.c.proposed, INTENT.c.name)
        .join(CARD, CARD.c.id == VOTE.c.card_id)
        .join(CONTENT, CONTENT.c.turn_id == CARD.c.turn_id)
        .join(INTENT, is_intent, isouter=True)
        .where(VOTE.c.card_id == card_id, VOTE.c.reviewer == reviewer)
        .order_by(VOTE.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else LastVote(row.card_id, row.text, row.name or row.proposed or row.answer)
