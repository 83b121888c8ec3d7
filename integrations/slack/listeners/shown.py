"""Where a person saw the card, and how that is brought up to what SQL says."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from integrations.slack import reviewing
from integrations.slack.blocks import Place, escape
from integrations.slack.blocks.metadata import Sitting, sitting_of
from integrations.slack.desk import Desk, forgiving, reason
from service.errors import FencepostError

NOT_COUNTED = "Your click was not counted"


class OnMessage(NamedTuple):
    channel: str
    ts: str


class InModal(NamedTuple):
    """`hash` says which state of the view was clicked: one that is out of date is not updated. "": whichever it is."""

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
    note = f"{NOT_COUNTED}: {reason(refusal)}." if refusal else ""
    if isinstance(shown, InModal):
        walk(desk, user, shown, note)
        return
    if note:
        tell(desk, user, shown.channel, note)
    desk.redrawer.redraw_card(place.card, shown.ts)


def walk(desk: Desk, user: str, modal: InModal, note: str = "") -> None:
    """The next card in the same view."""
    view = reviewing.draw(desk.context.engine, user, modal.sitting, note=note)
    with forgiving("slack.view_not_updated", bot=modal.sitting.bot):
        desk.client.views_update(view_id=modal.view_id, view=view, hash=modal.hash or None)


def tell(desk: Desk, user: str, channel: str, text: str) -> None:
    """Only they see it."""
    with forgiving("slack.not_told"):
        desk.client.chat_postEphemeral(channel=channel, user=user, text=escape(text))
