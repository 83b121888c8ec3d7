"""What a click does: one short write, then Slack's ack, then everything else.

A click that is not acked shows the person an error and is never sent again by Slack: so a vote that could not be
stored is not acked, and the person clicks again."""

from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from rapidfuzz import fuzz, process, utils
from redis.exceptions import RedisError
from slack_bolt import Ack
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.slack import blocks, cards, people
from integrations.slack.blocks import OTHER, SLACK_USER, Block, Place, place_of
from service import clock, database
from service.context import Context
from service.errors import BadInput, CardClosed, Conflict, FencepostError, Forbidden, Gone, NotFound
from service.intents.schemas import Intent
from service.intents.store import get_intent, intent_ids, list_intents, resolve_id
from service.jobs import Job, enqueue
from service.reviews import store, voting
from service.reviews.schemas import Answer, Reviewer, Vote

log = structlog.get_logger()

REFUSALS = (BadInput, Conflict, Forbidden, Gone, NotFound)  # the person is told; anything else is ours to mend
ANSWERS: Mapping[str, Answer] = {"none": "none", "unsure": "unsure", "undo": "undo"}
GOOD_MATCH = 60  # of 100


class Desk(NamedTuple):
    """What a listener works with."""

    context: Context
    client: WebClient


class Click(NamedTuple):
    """A signed click, decoded: who chose what on which card, and the message it was made on."""

    place: Place
    user: str
    value: str
    is_intent_id: bool
    click_id: str
    channel: str
    ts: str

    @property
    def reviewer(self) -> Reviewer:
        return Reviewer(SLACK_USER + self.user)


def click_of(body: Mapping[str, Any]) -> Click:
    """KeyError or ValueError when Slack sends something else than a click on a card."""
    action = body["actions"][0]
    is_option = action["action_id"] == OTHER
    user = body["user"]["id"]
    return Click(
        place=place_of(action["block_id"]),
        user=user,
        value=action["selected_option"]["value"] if is_option else action["value"],
        is_intent_id=is_option,
        click_id=f"slack:{user}:{action['block_id']}:{action['action_id']}:{action['action_ts']}",
        channel=body["container"]["channel_id"],
        ts=body["container"]["message_ts"],
    )


def on_click(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Store the vote, ack, show the card as it is now."""
    click = click_of(body)
    refusal = _vote(desk.context.engine, click)
    ack()
    if refusal is not None:
        _tell(desk.client, click, refusal)
    _show(desk, click)
    voting.ask_to_resolve(desk.context, click.place.bot)
    _ask_for_more(desk.context, click.place.bot)


def _ask_for_more(context: Context, bot: str) -> None:
    """The answered card made room for another in the channel."""
    try:
        enqueue(context.queue, Job.DISPATCH, bot)
    except RedisError as error:  # the schedule asks again
        log.warning("dispatch.not_asked", bot=bot, error=str(error))


def _vote(engine: sa.Engine, click: Click) -> FencepostError | None:
    """Why the vote does not count, when it does not."""
    try:
        with database.writing(engine) as connection:
            _store(connection, click)
    except REFUSALS as error:
        return error
    return None


def _store(connection: sa.Connection, click: Click) -> None:
    bot, card = click.place
    reviewer = people.voter(connection, bot, click.user)
    answer = _answer(connection, click)
    if not _is_said(connection, click, answer):
        voting.vote(connection, bot, card, reviewer, answer, clock.now(), surface="slack")


def _answer(connection: sa.Connection, click: Click) -> Vote:
    if click.is_intent_id:
        intent_id = resolve_id(connection, click.place.bot, int(click.value))
        name = get_intent(connection, click.place.bot, intent_id).name
        return Vote(answer="intent", intent=name, click_id=click.click_id)
    if click.value.startswith("intent:"):
        return Vote(answer="intent", intent=click.value.removeprefix("intent:"), click_id=click.click_id)
    return Vote(answer=ANSWERS[click.value], click_id=click.click_id)


def _is_said(connection: sa.Connection, click: Click, answer: Vote) -> bool:
    """The second half of a double click is a click of its own to Slack, and says what its author has said already."""
    bot, card = click.place
    store.lock_card(connection, bot, card)
    mine = [vote for vote in store.votes_of(connection, card) if vote.reviewer == click.reviewer.name]
    if not mine or mine[-1].answer != answer.answer:
        return False
    return answer.answer != "intent" or mine[-1].intent_id == _intent_id(connection, bot, answer)


def _intent_id(connection: sa.Connection, bot: str, answer: Vote) -> int | None:
    return intent_ids(connection, bot).get(answer.intent or "")


def _tell(client: WebClient, click: Click, refusal: FencepostError) -> None:
    """Only the clicker sees it."""
    text = blocks.escape(f"Your click was not counted: {_reason(refusal)}.")
    client.chat_postEphemeral(channel=click.channel, user=click.user, text=text)


def _reason(refusal: FencepostError) -> str:
    if isinstance(refusal, CardClosed):
        return "somebody else has answered this card"
    return "you have no answer on this card to take back" if type(refusal) is Conflict else refusal.detail


def _show(desk: Desk, click: Click) -> None:
    """Slack being away does not matter here: the vote is stored, and the next dispatch draws the card."""
    try:
        cards.redraw(desk.context.engine, desk.client, click.place, click.channel, click.ts)
    except SlackApiError as error:
        log.warning("slack.redraw_failed", card=click.place.card, error=str(error.response.get("error")))
    except (OSError, HTTPException) as error:
        log.warning("slack.redraw_failed", card=click.place.card, error=type(error).__name__)


def on_options(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """The intents that match what was typed, best first; all by name when nothing was."""
    place = place_of(body["block_id"])
    with database.reading(desk.context.engine) as connection:
        found = search(list_intents(connection, place.bot), body.get("value") or "")
    ack(options=_options(found))


def search(intents: list[Intent], typed: str) -> list[Intent]:
    """Live intents whose name, or else description, is like `typed`, best first."""
    by_name = sorted(intents, key=lambda intent: intent.name)
    if not typed.strip():
        return by_name
    texts = {n: f"{intent.name.replace('_', ' ')} {intent.description}" for n, intent in enumerate(by_name)}
    matches = process.extract(
        typed,
        texts,
        scorer=fuzz.WRatio,
        processor=utils.default_process,
        limit=blocks.OPTIONS,
        score_cutoff=GOOD_MATCH,
    )
    return [by_name[n] for _text, _score, n in matches]


def _options(found: list[Intent]) -> list[Block]:
    return blocks.options((intent.id, intent.name, intent.description) for intent in found)


def on_unknown(ack: Ack, body: dict[str, Any]) -> None:
    """Without an ack the person sees an error; a button of an older or a newer version does nothing instead."""
    ack()
    log.warning("slack.unknown", type=str(body.get("type")))
