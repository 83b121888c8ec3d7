"""`/fencepost …`: each subcommand has a handler; only the person sees the answer."""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from slack_bolt import Ack, Respond

from integrations.slack import drift_words, figures, listeners, slash_words
from integrations.slack.blocks.elements import cut, escape, rich, section, words
from integrations.slack.blocks.frames import FRAME, fitting, size
from integrations.slack.desk import REFUSALS, Desk, forgiving, reason
from integrations.slack.manifest import COMMAND
from integrations.slack.meant import bot_meant, check
from service import clock, database, tables
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.errors import BadInput, NotFound
from service.reviews import budget
from service.reviews.turn_view import view_turn
from service.windows.rules import mix

Handler = Callable[[Ack, dict[str, Any], Desk, str], None]
Reader = Callable[[sa.Connection, Bot], list[str]]

TURN_NUMBER = re.compile(r"#?([0-9]{1,18})")
TEXT = 1000  # characters for notifications and screen readers
LINE = 2900  # characters of a line: Slack documents no limit of rich text, so it is kept below a section's


def on_command(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    text: str = body.get("text") or ""
    name, argument, *_ = [*text.split(maxsplit=1), "", ""]
    try:
        HANDLERS.get(name.lower() or "help", on_unknown)(ack, body, desk, argument.strip())
    except REFUSALS as error:
        said = reason(error)
        answer(ack, [f"{said[0].upper()}{said[1:]}."])


def answer(ack: Ack | Respond, lines: Sequence[str]) -> None:
    """Letter by letter: nothing in the lines can act. As many lines as a frame holds."""
    text = escape(cut("\n".join(lines), TEXT))
    shown = fitting((section(words(cut(line, LINE) + "\n")) for line in lines), FRAME - size(text))
    ack(text=text, blocks=[rich(shown)], response_type="ephemeral")


def on_help(ack: Ack, _body: dict[str, Any], _desk: Desk, _argument: str) -> None:
    answer(ack, slash_words.usage(COMMAND, HELP))


def on_unknown(ack: Ack, body: dict[str, Any], _desk: Desk, _argument: str) -> None:
    name = body["text"].split()[0]
    near = get_close_matches(name.lower(), HANDLERS, n=1)
    meant = f" Did you mean {COMMAND} {near[0]}?" if near else ""
    answer(ack, [f"There is no {COMMAND} {name}.{meant}", *slash_words.usage(COMMAND, HELP)])


def on_stats(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    """Every label is counted."""
    _look(ack, body, desk, argument, lambda connection, bot: _stats(connection, bot, body["user_id"]))


def _stats(connection: sa.Connection, bot: Bot, user: str) -> list[str]:
    return slash_words.stats(bot.name, figures.read(connection, bot, user, clock.now()))


def on_drift(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    """Every turn of two weeks is counted."""
    _look(ack, body, desk, argument, lambda connection, bot: drift_words.lines(bot.name, mix(connection, bot)))


def _look(ack: Ack, body: dict[str, Any], desk: Desk, argument: str, read: Reader) -> None:
    """A longer look at the bot that is meant, for its readers: the ack comes first."""
    with database.reading(desk.context.engine) as connection:
        bot = bot_meant(connection, body, argument, "reader")
    ack()
    with database.reading(desk.context.engine) as connection:
        lines = read(connection, bot)
    with forgiving("slack.not_answered"):
        answer(Respond(response_url=body["response_url"]), lines)


def on_budget(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    with database.reading(desk.context.engine) as connection:
        bot, now = bot_meant(connection, body, argument, "reader"), clock.now()
        week, room_at = budget.week(connection, bot, now), budget.room_at(connection, bot, now)
    answer(ack, slash_words.budget(bot.name, week, room_at))


def on_why(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    """What was made of a turn; nothing of it while a blind card of the turn is open."""
    if not (number := TURN_NUMBER.fullmatch(argument)):
        raise BadInput(f"this takes a turn's number: {COMMAND} why 12")
    turn_id = int(number[1])
    with database.reading(desk.context.engine) as connection:
        bot = connection.scalar(sa.select(tables.turn.c.bot).where(tables.turn.c.id == turn_id))
        if bot is None:
            raise NotFound(f"there is no turn {turn_id}")
        check(connection, get_bot(connection, bot), body["user_id"], body["channel_id"], "reader")
        found = view_turn(connection, bot, turn_id)
    answer(ack, slash_words.turn(found))


HANDLERS: Mapping[str, Handler] = {
    "review": listeners.review,
    "stats": on_stats,
    "budget": on_budget,
    "why": on_why,
    "drift": on_drift,
    "help": on_help,
}
HELP: Mapping[str, str] = {
    "review [bot]": "answer cards, one after the other",
    "stats [bot]": "what you and your team have answered, and what it made",
    "budget [bot]": "how many answers the week still has room for",
    "why <turn>": "what was made of a turn",
    "drift [bot]": "how what people ask for has changed in a week",
    "help": "this list",
}
