"""A person's home tab drawn from SQL.

A home tab is in no channel, so it shows what `/fencepost` would answer outside of a bot's channel: the bots that list
the person."""

from datetime import datetime

import sqlalchemy as sa

from integrations.slack import people, pictures
from integrations.slack.blocks import Block
from integrations.slack.blocks.home import MOST_BOTS, Beside, Champion, Standing, home
from service import clock, database, tables
from service.bots.hours import day_start
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.classifiers.advice import ENOUGH, audited_of
from service.classifiers.schemas import decode_manifest
from service.reviews import budget, reliability, store
from service.reviews.dealing import count_free
from service.reviews.schemas import Reviewer

CLASSIFIER, LABEL, VOTE = tables.classifier, tables.label, tables.vote


def draw(engine: sa.Engine, user: str, *, note: str = "", with_pictures: bool = True) -> Block:
    now = clock.now()
    with database.reading(engine) as connection:
        bots = list_bots(connection)
        is_open = {bot.name: people.is_open(connection, bot.name) for bot in bots}
        asked = ((bot, people.reviewer(connection, bot.name, user)) for bot in bots if not is_open[bot.name])
        theirs = [(bot, reviewer) for bot, reviewer in asked if reviewer]
        shown = [_standing(connection, bot, reviewer, now) for bot, reviewer in theirs[:MOST_BOTS]]
        if with_pictures:
            shown = [_pictured(connection, standing, now) for standing in shown]
    hidden = [bot.name for bot, _ in theirs[MOST_BOTS:]]
    in_channels = [bot.name for bot in bots if is_open[bot.name] and bot.slack_channel]
    return home(user, shown, Beside(hidden, in_channels), now, note=note)


def _pictured(connection: sa.Connection, standing: Standing, now: datetime) -> Standing:
    return standing._replace(progress=pictures.shown(connection, standing.bot, now).get(pictures.PROGRESS))


def _standing(connection: sa.Connection, bot: Bot, reviewer: Reviewer, now: datetime) -> Standing:
    judged = reliability.reviewers(connection, bot.name)
    return Standing(
        bot=bot.name,
        waiting=count_free(connection, bot.name, reviewer, now),
        today=store.count_votes(connection, bot.name, reviewer.name, day_start(bot, now)),
        daily_limit=bot.daily_limit,
        agreement=next((one for one in judged if one.reviewer == reviewer.name), None),
        week=budget.week(connection, bot, now),
        champion=_champion(connection, bot, reviewer.name),
    )


def _champion(connection: sa.Connection, bot: Bot, reviewer: str) -> Champion | None:
    if bot.champion is None:
        return None
    query = sa.select(CLASSIFIER.c.created_at, CLASSIFIER.c.manifest)
    row = connection.execute(query.where(CLASSIFIER.c.bot == bot.name, CLASSIFIER.c.n == bot.champion)).one()
    manifest, audited = decode_manifest(row.manifest), audited_of(connection, bot)
    return Champion(
        n=bot.champion,
        trained_at=row.created_at,
        labels=manifest.labels,
        mine=_labelled(connection, bot.name, reviewer, manifest.last_label_id or 0),
        answered=audited.answered,
        accuracy=audited.accuracy if audited.answered >= ENOUGH else None,
    )


def _labelled(connection: sa.Connection, bot: str, reviewer: str, last: int) -> int:
    """Turns whose newest label for training, of those up to `last`, the reviewer's vote decided; folded ones too."""
    known = (LABEL.c.bot == bot, LABEL.c.use == "train", LABEL.c.id <= last)
    newest = sa.select(sa.func.max(LABEL.c.id)).where(*known).group_by(LABEL.c.turn_id)
    wanted = (LABEL.c.id.in_(newest), LABEL.c.answer.in_(("intent", "none")), VOTE.c.reviewer == reviewer)
    query = sa.select(sa.func.count()).select_from(LABEL).join(VOTE, VOTE.c.id == LABEL.c.vote_id)
    return connection.scalar(query.where(*wanted)) or 0
