"""Cards into the bot's channel, each once.

The request's row is committed before the request. What Slack certainly refused is put back; a request whose outcome is
unknown (no answer, a 5xx) is left alone for 30 s, then looked up in the channel's history by the message's metadata,
and sent again only when it is not there."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Literal

import sqlalchemy as sa
import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.slack import cards, posts
from integrations.slack.blocks import Place
from integrations.slack.posts import Post
from service import clock, database
from service.bots.store import get_bot
from service.reviews import store

log = structlog.get_logger()

AT_ONCE = 10  # cards of a bot that wait in its channel
PACE = timedelta(seconds=1)  # Slack takes about one message a second and channel
EVENT_TYPE = "fencepost_card"
REDRAWN = 20  # messages a run; Slack takes about fifty updates a minute
PAGE = 200
PAGES = 50  # of history looked through for one post
MARGIN = timedelta(minutes=1)  # between our clock and Slack's
LONGEST_WAIT_S = 30.0  # for a rate limit: other jobs wait behind this one

# The message is not in Slack, and trying again later may help: the channel, the token or the pace is at fault.
LATER = {
    "access_denied",
    "account_inactive",
    "channel_not_found",
    "ekm_access_denied",
    "invalid_auth",
    "is_archived",
    "message_limit_exceeded",
    "missing_scope",
    "no_permission",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "rate_limited",
    "ratelimited",
    "restricted_action",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
}
# Slack says of these that a part of the request may have succeeded.
UNKNOWN = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
GONE = {"cant_update_message", "edit_window_closed", "message_not_found"}

Outcome = Literal["unknown", "later", "refused"]


def dispatch(
    engine: sa.Engine,
    client: WebClient,
    bot: str,
    *,
    now: Callable[[], datetime] = clock.now,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Bring the bot's channel up to what SQL says; how many cards were posted. Slack being away ends the run: the next
    one goes on where this one stopped."""
    with database.reading(engine) as connection:
        found = get_bot(connection, bot)
    desk = Dispatcher(engine, client, bot, now, pause)
    try:
        desk.redraw()
        if found.archived_at is not None:
            return 0
        return desk.find() + (desk.post(found.slack_channel) if found.slack_channel else 0)
    except SlackApiError as error:
        log.error("slack.refused", bot=bot, error=str(error.response.get("error")))
    except (OSError, HTTPException) as error:
        log.warning("slack.away", bot=bot, error=type(error).__name__)
    return 0


def outcome(error: Exception) -> Outcome:
    """What a failed request says about the message."""
    if not isinstance(error, SlackApiError):
        return "unknown"
    name, status = error.response.get("error"), error.response.status_code
    if name in LATER or status == HTTPStatus.TOO_MANY_REQUESTS:
        return "later"
    is_unknown = name in UNKNOWN or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return "unknown" if is_unknown else "refused"


class Dispatcher:
    """One run for one bot."""

    def __init__(
        self,
        engine: sa.Engine,
        client: WebClient,
        bot: str,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
    ) -> None:
        self._engine, self._client, self._bot, self._now, self._pause = engine, client, bot, now, pause

    def post(self, channel: str) -> int:
        """Post cards until enough are shown; how many."""
        count = 0
        while True:
            self._keep_pace(channel)
            with database.writing(self._engine) as connection:
                card_id = posts.reserve(connection, self._bot, channel, self._now(), at_once=AT_ONCE)
            if card_id is None:
                return count
            count += self._send(card_id, channel)

    def _keep_pace(self, channel: str) -> None:
        with database.reading(self._engine) as connection:
            last = posts.last_attempt(connection, channel)
        wait = timedelta() if last is None else last + PACE - self._now()
        if wait > timedelta():
            self._pause(min(wait, PACE).total_seconds())

    def _send(self, card_id: str, channel: str, *, is_again: bool = False) -> bool:
        """Whether the card is in the channel now. A failure that is not the card's own ends the run."""
        try:
            answer = self._request(card_id, channel)
        except SlackApiError as error:
            self._note(card_id, outcome(error), str(error.response.get("error")))
            if outcome(error) == "refused":
                return False
            self._wait(error)
            raise
        with database.writing(self._engine) as connection:
            # Sent again: the first message may turn up late in the history, so it is looked through once more.
            posts.settle(connection, card_id, "sending" if is_again else "posted", answer)
        return True

    def _request(self, card_id: str, channel: str) -> str:
        place = Place(self._bot, card_id)
        with database.reading(self._engine) as connection:
            message = cards.draw(connection, place).message
        answer = self._client.chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=list(message.blocks),
            metadata={"event_type": EVENT_TYPE, "event_payload": {"bot": place.bot, "card": place.card}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(answer["ts"])

    def _note(self, card_id: str, outcome: Outcome, error: str) -> None:
        log.warning("slack.post_failed", bot=self._bot, card=card_id, outcome=outcome, error=error)
        with database.writing(self._engine) as connection:
            if outcome == "later":
                posts.release(connection, card_id)
            if outcome == "refused":
                posts.settle(connection, card_id, "failed")

    def _wait(self, error: SlackApiError) -> None:
        """Honour Retry-After, so that whatever runs next begins late enough."""
        headers = {name.lower(): value for name, value in (error.response.headers or {}).items()}
        if seconds := headers.get("retry-after"):
            self._pause(min(float(seconds), LONGEST_WAIT_S))

    def find(self) -> int:
        """Settle posts of unknown outcome; how many had to be sent again."""
        with database.reading(self._engine) as connection:
            unknown = posts.unknown(connection, self._bot, self._now())
        return sum(self._settle(post) for post in unknown)

    def _settle(self, post: Post) -> bool:
        with database.writing(self._engine) as connection:
            if not posts.take_up(connection, post, self._now()):
                return False
            is_wanted = store.get_card(connection, self._bot, post.card_id).status == "open"
        copies = sorted(self._copies(post)) or [post.ts] * bool(post.ts)
        if not copies and is_wanted:
            self._keep_pace(post.channel)
            return self._send(post.card_id, post.channel, is_again=True)
        self._keep(post, copies)
        return False

    def _keep(self, post: Post, copies: Sequence[str]) -> None:
        """One message of several, the oldest; no post where there is none."""
        for twin in copies[1:]:
            self._client.chat_delete(channel=post.channel, ts=twin)
        with database.writing(self._engine) as connection:
            if copies:
                posts.settle(connection, post.card_id, "posted", copies[0])
            else:
                posts.drop(connection, post.card_id)

    def _copies(self, post: Post) -> Iterator[str]:
        """The messages in the channel that carry this card."""
        cursor, oldest = None, (post.first_at - MARGIN).timestamp()
        for _ in range(PAGES):
            answer = self._client.conversations_history(
                channel=post.channel, oldest=f"{oldest:.6f}", limit=PAGE, cursor=cursor, include_all_metadata=True
            )
            found: list[dict[str, Any]] = answer["messages"]
            yield from (message["ts"] for message in found if _card_of(message) == post.card_id)
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    def redraw(self) -> None:
        """Buttons leave the messages of cards that were answered elsewhere, and come back after an undo."""
        with database.reading(self._engine) as connection:
            stale = posts.stale(connection, self._bot, REDRAWN)
        for post in stale:
            self._redraw(post)

    def _redraw(self, post: Post) -> None:
        try:
            cards.redraw(self._engine, self._client, Place(post.bot, post.card_id), post.channel, post.ts)
        except SlackApiError as error:
            if error.response.get("error") not in GONE:
                raise
            with database.writing(self._engine) as connection:
                posts.settle(connection, post.card_id, "failed")


def _card_of(message: dict[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return None
    card: str | None = metadata.get("event_payload", {}).get("card")
    return card
