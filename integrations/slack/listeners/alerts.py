"""What an owner does about drift: turns that show it go to review, or become an intent."""

from collections.abc import Mapping
from typing import Any

import msgspec
from slack_bolt import Ack

from integrations.slack import notices, people
from integrations.slack.blocks.alerts import DESCRIPTION, NAME, Drifted, propose
from integrations.slack.blocks.names import NoticePlace, notice_place_of
from integrations.slack.desk import REFUSALS, Desk, reason
from integrations.slack.listeners.shown import open_view, redraw_notice, refuse, tell
from integrations.slack.notices import Notice
from service import clock, database
from service.errors import BadInput, FencepostError
from service.proposals import rules
from service.proposals.schemas import Acceptance
from service.windows import alerts

NONE_SENT = "Nothing was sent: all of its turns are asked about already, or answered."


class Asked(msgspec.Struct, frozen=True):
    """Where the view was opened, as its metadata."""

    bot: str
    notice: int
    proposal: int
    ts: str  # of the notice's message

    @property
    def place(self) -> NoticePlace:
        return NoticePlace(self.bot, self.notice)


def on_send(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    place, user = notice_place_of(body["actions"][0]["block_id"]), body["user"]["id"]
    try:
        is_sent = _send(desk, place, user)
    except FencepostError as error:
        ack()
        return refuse(desk, user, body["container"]["channel_id"], error)
    ack()
    if not is_sent:
        return tell(desk, user, body["container"]["channel_id"], NONE_SENT)
    redraw_notice(desk, place, body["container"]["message_ts"])


def _send(desk: Desk, place: NoticePlace, user: str) -> bool:
    """Whether there was a turn to send."""
    with database.writing(desk.context.engine) as connection:
        owner = people.principal_of(connection, place.bot, user, "owner")
        found = notices.get(connection, place)
        if not isinstance(found.news, Drifted):
            return False
        now, keyring = clock.now(), desk.context.keyring
        sent = alerts.review(connection, keyring, place.bot, found.news.alert, now, who=owner.name).queued
        if sent:
            notices.decide(connection, found.id, "review", owner.name)
        return bool(sent)


def on_propose(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Ask what the intent is called."""
    ack()
    click, user = body["actions"][0], body["user"]["id"]
    place = notice_place_of(click["block_id"])
    try:
        with database.reading(desk.context.engine) as connection:
            people.principal_of(connection, place.bot, user, "owner")
    except FencepostError as error:
        return refuse(desk, user, body["container"]["channel_id"], error)
    asked = Asked(place.bot, place.notice, int(click["value"]), body["container"]["message_ts"])
    open_view(desk, body, propose(msgspec.json.encode(asked).decode()))


def on_proposed(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Create the intent, or say beside its name why not."""
    asked = msgspec.json.decode(body["view"]["private_metadata"], type=Asked)
    try:
        _accept(desk, asked, _wanted(body["view"]), body["user"]["id"])
    except REFUSALS as error:
        ack(response_action="errors", errors={NAME: reason(error)})
        return
    ack()
    redraw_notice(desk, asked.place, asked.ts)


def _wanted(view: Mapping[str, Any]) -> Acceptance:
    values = view["state"]["values"]
    given = {field: (values[field][field].get("value") or "").strip() for field in (NAME, DESCRIPTION)}
    try:
        return msgspec.convert(given, Acceptance)
    except msgspec.ValidationError as error:
        raise BadInput(str(error), path=NAME) from error


def _accept(desk: Desk, asked: Asked, wanted: Acceptance, user: str) -> None:
    with database.writing(desk.context.engine) as connection:
        owner = people.principal_of(connection, asked.bot, user, "owner")
        found: Notice = notices.get(connection, asked.place)
        now, keyring = clock.now(), desk.context.keyring
        rules.accept(connection, keyring, asked.bot, asked.proposal, wanted, now, who=owner.name)
        notices.decide(connection, found.id, "propose", owner.name, is_final=True)
