"""A bot with a few intents and turns, written straight into SQL: what a test of cards needs to begin with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from service import database, tables
from service.bots.store import create_bot
from service.intents.store import create_intents
from service.turns import brought, tally, word_index

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
BOT = "shop"
INTENTS = {
    "refund": "money back for an order",
    "cancel_order": "stop an order before it ships",
    "track_order": "where an order is",
}


def open_shop(engine: sa.Engine, bot: str = BOT) -> None:
    with database.writing(engine) as connection:
        create_bot(connection, bot, AT)
        create_intents(connection, bot, INTENTS, AT)


def add_turn(
    engine: sa.Engine,
    text: str,
    *,
    bot: str = BOT,
    conversation: str = "",
    source: str = "native",
    minute: int = 0,
    entities: Sequence[dict[str, object]] = (),
) -> int:
    """The turn's id."""
    with database.writing(engine) as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.turn))
        at = AT + timedelta(minutes=minute)
        row = {"bot": bot, "source": source, "external_id": f"t-{count}", "conversation_id": conversation, "at": at}
        row |= {"received_at": at, "text_key": text.casefold().encode(), "bot_intent": "track_order"}
        stored = connection.execute(tables.turn.insert().returning(tables.turn), row).one()
        turn_id: int = stored.id
        if source not in tables.NOT_SAID:
            tally.count_turns(connection, bot, [stored])
            brought.count(connection, bot, [stored])
        content = {"turn_id": turn_id, "text": text, "entities": list(entities), "person": "someone"}
        connection.execute(tables.turn_content.insert(), content)
        word_index.add(connection, bot, {turn_id: text})
    return turn_id


def add_reply(engine: sa.Engine, text: str, *, conversation: str, minute: int, bot: str = BOT, to: str = "") -> None:
    """`to`: external id of the turn that it answers."""
    with database.writing(engine) as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.reply))
        at = AT + timedelta(minutes=minute, seconds=5)
        row = {"bot": bot, "source": "native", "external_id": f"r-{count}", "conversation_id": conversation, "at": at}
        row["turn_external_id"] = to
        insert = tables.reply.insert().returning(tables.reply.c.id)
        reply_id = connection.execute(insert, row | {"received_at": at}).scalar_one()
        connection.execute(tables.reply_content.insert(), {"reply_id": reply_id, "text": text})


def add_card(
    engine: sa.Engine,
    turn_id: int,
    *,
    bot: str = BOT,
    purpose: str = "rank",
    priority: float = 0.0,
    overlap: int = 1,
    challenger: int = 0,
    **more: object,
) -> str:
    """The card's id; a rank card comes with its candidate. `more`: columns of the card."""
    card_id = f"{purpose}{challenger}-{turn_id}"
    row = {"id": card_id, "bot": bot, "turn_id": turn_id, "purpose": purpose, "challenger": challenger}
    row |= {"is_blind": purpose != "rank", "overlap": overlap, "priority": priority, "created_at": AT}
    row |= more
    with database.writing(engine) as connection:
        connection.execute(tables.card.insert(), row)
        if purpose == "rank":
            candidate = {"turn_id": turn_id, "bot": bot, "status": "carded", "created_at": AT}
            connection.execute(tables.candidate.insert(), candidate)
    return card_id


def fold(engine: sa.Engine, turn_id: int, into: int, bot: str = BOT) -> None:
    row = {"turn_id": turn_id, "bot": bot, "status": "folded", "folded_into": into, "created_at": AT}
    with database.writing(engine) as connection:
        connection.execute(tables.candidate.insert(), row)


def deal(engine: sa.Engine, text: str, **options: object) -> str:
    """A turn and its card in one go."""
    return add_card(engine, add_turn(engine, text), **options)  # type: ignore[arg-type]  # passed on as they are
