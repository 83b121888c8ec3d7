"""A report on what the bot understood, from a message in Slack: one of our cards, or a reply of a chatbot that lives
there."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from integrations.slack import apps, messages, people
from integrations.slack.blocks import Place, place_of
from service import tables
from service.access.roles import SLACK_USER
from service.bots.store import live_bot
from service.errors import BadInput, NotFound
from service.keyring import Keyring
from service.reports.store import NewReport, insert_reports
from service.turns.rules import person
from service.turns.schemas import Report
from service.turns.store import Arrival

CARD, TURN, CONTENT = tables.card, tables.turn, tables.turn_content
DELIVERY = "slack"


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a report is about: the turn of a card, or a reply by the id that its source gives it. `card` is "" as long
    as the person has to choose one of several."""

    bot: str
    card: str = ""
    source: str = ""
    reply: str = ""


class Draft(NamedTuple):
    """`turns`: ids of cards and the texts of their turns. `names_intents`: whether the person may know the intents."""

    about: About
    turns: list[tuple[str, str]]
    names_intents: bool


def draft(connection: sa.Connection, body: Mapping[str, Any]) -> Draft:
    """Of a message shortcut. BadInput when the message is of neither kind; Forbidden to somebody who may not read the
    bot's turns, unless they talk with it in Slack themselves."""
    message, user, channel = body["message"], body["user"]["id"], body["channel"]["id"]
    places = list(_places(message))
    ours = messages.standing(connection, {place.card for place in places}, channel, message["ts"])
    if places := [place for place in places if place.card in ours]:  # any app can write such block ids
        return _of_cards(connection, places, user)
    app = apps.find(connection, message.get("app_id") or "")
    if app is None:
        raise BadInput("this is neither a card nor a message of a chatbot that is known here")
    reply = apps.reply_id(channel, message["ts"])
    may_know = not people.is_open(connection, app.bot) and people.role_of(connection, app.bot, user) is not None
    return Draft(About(app.bot, source=app.source, reply=reply), [], may_know)


def _places(message: Mapping[str, Any]) -> Iterator[Place]:
    for block in message.get("blocks") or ():
        try:
            yield place_of(block.get("block_id", ""))
        except ValueError:
            continue


def _of_cards(connection: sa.Connection, places: list[Place], user: str) -> Draft:
    bot = places[0].bot
    people.principal_of(connection, bot, user, "reader")
    wanted = dict.fromkeys(place.card for place in places if place.bot == bot)
    query = sa.select(CARD.c.id, CONTENT.c.text).join(CONTENT, CONTENT.c.turn_id == CARD.c.turn_id)
    texts = {row.id: row.text for row in connection.execute(query.where(CARD.c.bot == bot, CARD.c.id.in_(wanted)))}
    turns = [(card, texts[card]) for card in wanted if card in texts]
    if not turns:
        raise NotFound("this turn was forgotten")
    return Draft(About(bot, card=turns[0][0] if len(turns) == 1 else ""), turns, names_intents=True)


def file(connection: sa.Connection, keyring: Keyring, about: About, user: str, intent: str, now: datetime) -> None:
    """Store the report; the same person's repeat of it adds none. `intent`: the right one's name, "" when they do not
    say."""
    live_bot(connection, about.bot)
    source, turn = _turn(connection, about, user) if about.card else (about.source, "")
    who = person(keyring, about.bot, SLACK_USER + user)
    report = Report(
        external_id=keyring.hash("slack-report", turn, about.reply, who, intent).hex()[:32],
        kind="correction" if intent else "wrong_answer",
        at=now,
        turn_external_id=turn,
        reply_external_id=about.reply,
        intent=intent,
    )
    insert_reports(connection, about.bot, [NewReport(Arrival(source, DELIVERY, now), report, who)])


def _turn(connection: sa.Connection, about: About, user: str) -> tuple[str, str]:
    """Source and external id of the card's turn."""
    people.principal_of(connection, about.bot, user, "reader")
    query = sa.select(TURN.c.source, TURN.c.external_id).join(CARD, CARD.c.turn_id == TURN.c.id)
    row = connection.execute(query.where(CARD.c.bot == about.bot, CARD.c.id == about.card)).one_or_none()
    if row is None:
        raise NotFound("this card is gone")
    return row.source, row.external_id
