"""Cards into the channel, several a message, each card on one; notices, a message each.

The message's row is committed before the request. What Slack certainly refused is put back; a request whose outcome is
unknown (no answer, a 5xx) is left alone for 30 s, then looked up (`lookup`), and sent again only when it is not there.

A message holds up to five cards. Slack's 50 blocks would hold twelve, but each vote redraws the whole message under the
thumbs of everybody else who reads it, and five are what scrolls past on a phone without losing one's place. Cards wait
until there are five of them, unless nothing in the channel wants an answer."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from integrations.slack import messages, notices, pace
from integrations.slack.client import FAILURES, NotAsked, PatientClient, error_name, outcome
from integrations.slack.drawing import draw, how_many_fit
from service import database

log = structlog.get_logger()

AT_ONCE = 10  # cards of a bot that wait in its channel
CARDS = 5  # of a message
METHOD = "chat.postMessage"
EVENT_TYPE = "fencepost_message"
LONGEST_WAIT = timedelta(seconds=5)  # other jobs wait behind this one; the next run goes on

Pause = Callable[[float], None]


class Sender:
    """Posts for one bot."""

    def __init__(self, client: PatientClient, bot: str, pause: Pause = time.sleep) -> None:
        self.client, self.bot, self.pause = client, bot, pause
        self.posted = 0  # cards

    def post(self, channel: str) -> None:
        """Post cards until enough wait for an answer."""
        while card_ids := self._next():
            self._post(channel, card_ids)

    def tell(self, channel: str) -> None:
        """Post the notices that wait, the oldest first."""
        while notice_id := self._next_notice():
            self.wait_for(METHOD, channel)
            with database.writing(self.client.engine) as connection:
                message_id = messages.reserve_notice(connection, self.bot, channel, notice_id, self.client.now())
            if message_id is not None:
                self.send(channel, message_id)

    def _next_notice(self) -> int | None:
        with database.reading(self.client.engine) as connection:
            return notices.waiting(connection, self.bot, self.client.now())

    def _next(self) -> list[str]:
        with database.reading(self.client.engine) as connection:
            waiting = messages.count_waiting(connection, self.bot)
            room = min(AT_ONCE - waiting, CARDS)
            found = messages.next_cards(connection, self.bot, self.client.now(), room) if room > 0 else []
            if not found or (waiting and len(found) < CARDS):
                return []
            return found[: how_many_fit(connection, self.bot, found)]

    def wait_for(self, method: str, channel: str) -> None:
        """Keep Slack's pace; NotAsked when that would take too long, or Slack refuses."""
        until = self.client.closed_until(method, channel)
        if until and until > self.client.now():
            raise NotAsked(until)
        while True:
            now = self.client.now()
            with database.writing(self.client.engine) as connection:
                wait = pace.take(connection, pace.of(method, channel), now)
            if not wait:
                return
            if wait > LONGEST_WAIT:
                raise NotAsked(now + wait)
            self.pause(wait.total_seconds())

    def _post(self, channel: str, card_ids: Sequence[str]) -> None:
        """A failure that is not the cards' own ends the run."""
        self.wait_for(METHOD, channel)
        with database.writing(self.client.engine) as connection:
            message_id = messages.reserve(connection, self.bot, channel, card_ids, self.client.now())
        if message_id is None or self.send(channel, message_id) or len(card_ids) == 1:
            return
        for card_id in card_ids:  # one of them is at fault, and does not hold up the others
            self._post(channel, [card_id])

    def send(self, channel: str, message_id: str, *, is_again: bool = False) -> bool:
        """Whether the message is in the channel now; one that Slack will not have is put back, or failed when it is a
        notice, which first loses its pictures, or a single card's."""
        with database.reading(self.client.engine) as connection:
            cards = len(messages.cards_of(connection, message_id))
            drawing = draw(connection, self.bot, message_id)
        if drawing is None:
            return False
        try:
            answer = self.client.chat_postMessage(
                channel=channel,
                text=drawing.message.text,
                blocks=list(drawing.message.blocks),
                metadata={"event_type": EVENT_TYPE, "event_payload": {"bot": self.bot, "message": message_id}},
                unfurl_links=False,
                unfurl_media=False,
            )
        except FAILURES as error:
            self._failed(message_id, error, cards)
            if outcome(error) == "refused":
                return False
            raise
        with database.writing(self.client.engine) as connection:
            # Sent again: the first message may turn up late in the history, so it is looked through once more.
            messages.settle(connection, message_id, "sending" if is_again else "posted", str(answer["ts"]))
            drawing.remember(connection)
        self.posted += cards
        return True

    def _failed(self, message_id: str, error: Exception, cards: int) -> None:
        how = outcome(error)
        log.warning("slack.post_failed", bot=self.bot, message=message_id, outcome=how, error=error_name(error))
        with database.writing(self.client.engine) as connection:
            if how == "later":
                messages.release(connection, message_id)
            elif how == "refused" and (cards > 1 or notices.leave_pictures_out(connection, message_id)):
                messages.drop(connection, message_id)
            elif how == "refused":
                messages.settle(connection, message_id, "failed")
