"""Posts of unknown outcome: looked up in the channel's history by their metadata, and sent again only when they are not
there."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from integrations.slack import messages
from integrations.slack.messages import Message
from integrations.slack.sending import EVENT_TYPE, METHOD, Sender
from service import database

PAGE = 200
PAGES = 50  # of history looked through for one message
MARGIN = timedelta(minutes=1)  # between our clock and Slack's


class Finder:
    """Settles the unknown posts of one bot."""

    def __init__(self, sender: Sender) -> None:
        self._sender, self._client, self._bot = sender, sender.client, sender.bot

    def settle(self) -> None:
        with database.reading(self._client.engine) as connection:
            unknown = messages.unknown(connection, self._bot, self._client.now())
        for message in unknown:
            self._settle(message)

    def _settle(self, message: Message) -> None:
        with database.writing(self._client.engine) as connection:
            if not messages.take_up(connection, message, self._client.now()):
                return
        copies = sorted(self._copies(message)) or [message.ts] * bool(message.ts)
        if copies:
            return self._keep(message, copies)
        with database.writing(self._client.engine) as connection:
            is_wanted = messages.is_wanted(connection, message.id)
            if not is_wanted and message.attempted_at != message.first_at:  # at the first look the history may lag
                messages.drop(connection, message.id)
        if is_wanted:
            self._sender.wait_for(METHOD, message.channel)
            self._sender.send(message.channel, message.id, is_again=True)

    def _keep(self, message: Message, copies: Sequence[str]) -> None:
        """The oldest of them. Nobody knows what it shows: it may have been sent, or clicked, long ago."""
        for twin in copies[1:]:
            self._sender.wait_for("chat.delete", message.channel)
            self._client.chat_delete(channel=message.channel, ts=twin)
        with database.writing(self._client.engine) as connection:
            messages.settle(connection, message.id, "posted", copies[0])
            messages.shows_nothing_known(connection, message.id)

    def _copies(self, message: Message) -> Iterator[str]:
        """The `ts` of each message in the channel that says it is this one."""
        cursor, oldest = None, (message.first_at - MARGIN).timestamp()
        for _ in range(PAGES):
            self._sender.wait_for("conversations.history", message.channel)
            answer = self._client.conversations_history(
                channel=message.channel, oldest=f"{oldest:.6f}", limit=PAGE, cursor=cursor, include_all_metadata=True
            )
            found: list[dict[str, Any]] = answer["messages"]
            yield from (one["ts"] for one in found if message_of(one.get("metadata") or {}) == message.id)
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return


def message_of(metadata: Mapping[str, Any]) -> str | None:
    """The message's id that Slack's metadata names.

    >>> message_of({"event_type": "fencepost_message", "event_payload": {"bot": "shop", "message": "0a1b"}})
    '0a1b'
    """
    if metadata.get("event_type") != EVENT_TYPE:
        return None
    found: str | None = metadata.get("event_payload", {}).get("message")
    return found
