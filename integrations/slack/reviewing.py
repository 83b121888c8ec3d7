"""The review modal drawn from SQL: the next card for a person, and how far they have come."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from integrations.slack import cards, people
from integrations.slack.blocks import Block
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.blocks.review import Progress, nothing_left, refused, review
from integrations.slack.desk import REFUSALS, reason
from service import clock, database
from service.bots.hours import day_start
from service.bots.store import get_bot
from service.reviews import budget, store
from service.reviews.dealing import enough_today, next_cards

BACK_WITHIN = timedelta(hours=12)


def draw(engine: sa.Engine, user: str, sitting: Sitting, *, note: str = "") -> Block:
    """Claims the card that it shows."""
    try:
        return _draw(engine, user, sitting, note)
    except REFUSALS as error:
        return refused(sitting.bot, f"{reason(error)}.")


def _draw(engine: sa.Engine, user: str, sitting: Sitting, note: str) -> Block:
    with database.reading(engine) as connection:
        reviewer = people.voter(connection, sitting.bot, user)
    found = next_cards(engine, sitting.bot, reviewer, skipped=sitting.skipped)
    now = clock.now()
    with database.reading(engine) as connection:
        done = progress(connection, sitting.bot, reviewer.name, now)
        if not found:
            enough = enough_today(connection, sitting.bot, reviewer.name, now)
            return nothing_left(done, sitting, enough or coming(connection, sitting.bot, now), note=note)
        return review(found[0], done, sitting, said=cards.said_on(found[0]), note=note)


def progress(connection: sa.Connection, bot: str, reviewer: str, now: datetime) -> Progress:
    today = store.count_votes(connection, bot, reviewer, day_start(get_bot(connection, bot), now))
    last = store.last_answered(connection, bot, reviewer, now - BACK_WITHIN)
    if last is None:
        return Progress(today)
    answer = cards.answer_of(connection, bot, last, reviewer)
    return Progress(today, last, store.text_of(connection, bot, last), answer)


def coming(connection: sa.Connection, bot: str, now: datetime) -> str:
    """When to look again."""
    room_at = budget.room_at(connection, get_bot(connection, bot), now)
    if room_at is not None:
        return f"This week's budget of answers is used up; more can be asked from {room_at:%A, %d %B %H:%M} UTC on."
    waiting = store.count_open(connection, bot)
    elsewhere = f"{waiting} open card{'' if waiting == 1 else 's'} went to other people, or had your answer. "
    return (elsewhere if waiting else "") + "New ones are looked for every minute, in what comes in from the log."
