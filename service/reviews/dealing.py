"""Who gets which card."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from service import clock, database
from service.bots.hours import day_start
from service.bots.schemas import Bot
from service.bots.store import get_bot, live_bot
from service.reviews import store
from service.reviews.policies import order
from service.reviews.schemas import Card, CardStatus, CardView, Reviewer
from service.reviews.views import view

CARDS_AT_ONCE = 20


def next_cards(
    engine: sa.Engine, bot: str, reviewer: Reviewer, *, count: int = 1, skipped: Sequence[str] = ()
) -> list[CardView]:
    """Claim in one short write, then read what is to be shown."""
    with database.writing(engine) as connection:
        cards = claim_cards(connection, bot, reviewer, clock.now(), count=count, skipped=skipped)
    with database.reading(engine) as connection:
        return [view(connection, card, adjudicates=reviewer.adjudicates) for card in cards]


def enough_today(connection: sa.Connection, bot: str, reviewer: str, now: datetime) -> str:
    """What to say to a reviewer who has answered as many cards as the bot wants of one person a day; "" to others."""
    found = get_bot(connection, bot)
    if not found.daily_limit or _left_today(connection, found, reviewer, now):
        return ""
    cards = f"{found.daily_limit} card{'' if found.daily_limit == 1 else 's'}"
    return f"You have answered {cards} of {bot} today, as many as it asks of one person: more tomorrow."


def count_free(connection: sa.Connection, bot: str, reviewer: Reviewer, now: datetime) -> int:
    """Cards that wait for the reviewer, on some day or other where the bot limits their day."""
    return store.count_free(connection, bot, reviewer.name, _statuses(reviewer), now)


def _statuses(reviewer: Reviewer) -> list[CardStatus]:
    return ["open", "adjudicate"] if reviewer.adjudicates else ["open"]


def _left_today(connection: sa.Connection, bot: Bot, reviewer: str, now: datetime) -> int:
    """Cards the reviewer may still be dealt. Those answered in a channel count too, though nobody deals them."""
    return max(bot.daily_limit - store.count_votes(connection, bot.name, reviewer, day_start(bot, now)), 0)


def claim_cards(
    connection: sa.Connection,
    bot: str,
    reviewer: Reviewer,
    now: datetime,
    *,
    count: int = 1,
    skipped: Sequence[str] = (),
) -> list[Card]:
    """The next cards for this reviewer, kept from other people for ten minutes: first those on their screen already,
    then flips, then the rest by priority with the audit slice mixed in. Never one they have answered, nor a skipped
    one, and none beyond the bot's daily limit."""
    live = live_bot(connection, bot)
    store.lock_claims(connection, bot, reviewer.name)
    if live.daily_limit:
        count = min(count, _left_today(connection, live, reviewer.name, now))
    statuses = _statuses(reviewer)
    on_screen = store.claimed_cards(connection, bot, reviewer.name, statuses, now)
    cards = [card for card in on_screen if card.id not in skipped][:count]
    for card in cards:
        store.renew_claim(connection, card.id, reviewer.name, now)
    answered = {purpose: store.count_resolved(connection, bot, purpose) for purpose in ("audit", "rank")}
    while len(cards) < count:
        held = [*skipped, *(card.id for card in cards)]
        dealt = {name: n + sum(card.purpose == name for card in cards) for name, n in answered.items()}
        claimed = (
            store.claim_free(connection, bot, purpose, reviewer.name, statuses, now, but=held)
            for purpose in order(dealt)
        )
        found = next(filter(None, claimed), None)
        if found is None:
            break
        cards.append(found)
    return cards
