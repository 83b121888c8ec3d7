"""Where a person saw the card, and how that is brought up to what SQL says."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from slack_sdk.webhook import WebhookClient

from integrations.slack import notices, reviewing
from integrations.slack.blocks import Block, Place, escape
from integrations.slack.blocks.metadata import Sitting, sitting_of
from integrations.slack.blocks.names import NoticePlace
from integrations.slack.client import TIMEOUT_S
from integrations.slack.desk import Desk, forgiving, reason
from integrations.slack.modals import Busy, Update
from service import database
from service.errors import FencepostError

NOT_COUNTED = "Your click was not counted"
BUSY = "Slack is busy: please try again."


class OnMessage(NamedTuple):
    channel: str
    ts: str


class InModal(NamedTuple):
    """`hash` as an Update's."""

    view_id: str
    hash: str
    sitting: Sitting


Shown = OnMessage | InModal


def shown_of(body: Mapping[str, Any]) -> Shown:
    if view := body.get("view"):
        return InModal(view["id"], view["hash"], sitting_of(view["private_metadata"]))
    return OnMessage(body["container"]["channel_id"], body["container"]["message_ts"])


def bring_up(desk: Desk, place: Place, user: str, shown: Shown, refusal: FencepostError | None = None) -> None:
    """The person sees what became of the click: on the message, or as the next card."""
    note = _refusal(refusal) if refusal else ""
    if isinstance(shown, InModal):
        walk(desk, user, shown, note)
        return
    if note:
        tell(desk, user, shown.channel, note)
    desk.redrawer.redraw_card(place.card, shown.ts)


def walk(desk: Desk, user: str, modal: InModal, note: str = "") -> None:
    """The next card in the same view."""
    draw = partial(reviewing.draw, desk.context.engine, user, modal.sitting, note=note)
    with forgiving("slack.view_not_updated", bot=modal.sitting.bot):
        desk.modals.update(Update(modal.view_id, modal.hash, draw))


def open_view(desk: Desk, body: Mapping[str, Any], view: Block) -> None:
    """For whoever clicked on a message or typed a command; they are told when Slack does not open it for now."""
    try:
        with forgiving("slack.view_not_opened"):
            desk.modals.open(body["trigger_id"], view)
    except Busy:
        respond(body, BUSY)


def push_view(desk: Desk, body: Mapping[str, Any], modal: InModal, view: Block) -> None:
    """On top of the modal, which says so when Slack does not do it for now."""
    try:
        with forgiving("slack.view_not_opened"):
            desk.modals.push(body["trigger_id"], view)
    except Busy:
        walk(desk, body["user"]["id"], modal, BUSY)


def redraw_notice(desk: Desk, place: NoticePlace, ts: str) -> None:
    """On its message, as SQL says."""
    with database.reading(desk.context.engine) as connection:
        message_id = notices.get(connection, place).message_id
    if message_id is not None:
        desk.redrawer.redraw(message_id, ts)


def respond(body: Mapping[str, Any], text: str) -> None:
    """Only they see it, in a channel without the app too."""
    client = WebhookClient(body["response_url"], timeout=TIMEOUT_S, retry_handlers=[])
    with forgiving("slack.not_told"):
        client.send(text=escape(text), response_type="ephemeral", replace_original=False)


def refuse(desk: Desk, user: str, channel: str, error: FencepostError) -> None:
    """Only they see why their click did nothing."""
    tell(desk, user, channel, _refusal(error))


def _refusal(error: FencepostError) -> str:
    return f"{NOT_COUNTED}: {reason(error)}."


def tell(desk: Desk, user: str, channel: str, text: str) -> None:
    """Only they see it."""
    with forgiving("slack.not_told"):
        desk.client.chat_postEphemeral(channel=channel, user=user, text=escape(text))
