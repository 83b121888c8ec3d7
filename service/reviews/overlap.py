"""How many people a card asks, and how their answers decide: settled when the card is made, before anybody sees it.

Several are asked where the answers are to be trusted or compared: on the audit slice, on flips, and on a share of the
other cards, which is blind for that. Every other card takes one answer."""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.bots.schemas import Bot, Policy
from service.keyring import Keyring

VOTE = tables.vote
ACTIVE = timedelta(days=30)  # who voted within counts as one of the bot's reviewers
BLIND_SHARE = 0.05  # of the rank cards


class Terms(NamedTuple):
    """What a card is made with: the votes it wants, and the policy that decides between them."""

    overlap: int
    policy: Policy


def terms(connection: sa.Connection, bot: Bot, now: datetime) -> Terms:
    """Of a blind card made now: as many people as the bot's overlap says, or as it has."""
    return Terms(1 if bot.policy == "single" else _effective(connection, bot, now), bot.policy)


def _effective(connection: sa.Connection, bot: Bot, now: datetime) -> int:
    return max(1, min(bot.overlap, count_active(connection, bot.name, now)))


def count_active(connection: sa.Connection, bot: str, now: datetime) -> int:
    """People who voted within 30 days."""
    voted = sa.select(sa.func.count(VOTE.c.reviewer.distinct())).where(VOTE.c.bot == bot, VOTE.c.at > now - ACTIVE)
    return connection.scalar(voted) or 0


def rank_terms(keyring: Keyring, bot: Bot, turn_id: int, blind: Terms) -> dict[str, object]:
    """Of a card that is asked for training, as columns of its row: one of twenty is blind, drawn by a hash of its turn,
    where two people at least would answer it."""
    is_blind = blind.overlap > 1 and keyring.fraction("blind", bot.name, str(turn_id)) < BLIND_SHARE
    return {"is_blind": is_blind, "policy": blind.policy, "overlap": blind.overlap if is_blind else 1}
