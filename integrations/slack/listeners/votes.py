"""A vote from Slack: one short write."""

from collections.abc import Callable

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError

from integrations.slack import people
from integrations.slack.blocks import Place
from integrations.slack.desk import REFUSALS, Desk
from service import clock, database
from service.context import Context
from service.errors import FencepostError
from service.intents.store import get_intent, intent_ids, resolve_id
from service.jobs import Job, enqueue
from service.reviews import store, voting
from service.reviews.schemas import Reviewer, Vote

log = structlog.get_logger()

MakeVote = Callable[[sa.Connection], Vote]  # looks up what the person chose


def cast(desk: Desk, place: Place, user: str, make: MakeVote) -> FencepostError | None:
    """Store the vote; why it does not count, when it does not."""
    try:
        with database.writing(desk.context.engine) as connection:
            _store(connection, place, user, make)
    except REFUSALS as error:
        return error
    return None


def _store(connection: sa.Connection, place: Place, user: str, make: MakeVote) -> None:
    reviewer, vote = people.voter(connection, place.bot, user), make(connection)
    if not _is_said(connection, place, reviewer, vote):
        voting.vote(connection, place.bot, place.card, reviewer, vote, clock.now(), surface="slack")


def _is_said(connection: sa.Connection, place: Place, reviewer: Reviewer, vote: Vote) -> bool:
    """The second half of a double click is a click of its own to Slack, and says what its author has said already. What
    takes a form to say is not said twice by accident; on a card that came back an old answer is said anew."""
    card = store.lock_card(connection, place.bot, place.card)
    votes = store.votes_of(connection, place.card)
    mine = [one for one in votes if one.reviewer == reviewer.name and one.id > (card.returned_after or 0)]
    if not mine or mine[-1].answer != vote.answer or vote.answer in ("two", "new") or vote.spans is not None:
        return False
    return vote.answer != "intent" or mine[-1].intent_id == _intent_id(connection, place.bot, vote)


def _intent_id(connection: sa.Connection, bot: str, vote: Vote) -> int | None:
    return intent_ids(connection, bot).get(vote.intent or "")


def intent_name(connection: sa.Connection, bot: str, chosen: str) -> str:
    """The intent that an option stands for, by the name that its labels count for now."""
    return get_intent(connection, bot, resolve_id(connection, bot, int(chosen))).name


def follow_up(context: Context, bot: str) -> None:
    """Labels from the vote; and the answered card made room for another in the channel."""
    voting.ask_to_resolve(context, bot)
    try:
        enqueue(context.queue, Job.DISPATCH, bot)
    except RedisError as error:  # the schedule asks again
        log.warning("dispatch.not_asked", bot=bot, error=str(error))
