"""Endpoints and events over HTTP."""

from datetime import timedelta
from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.params import Parameter
from msgspec import UNSET

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName, Grace
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.events import endpoints, listing
from service.events.addresses import check_url, parse_networks
from service.events.schemas import (
    Endpoint,
    EndpointChange,
    Event,
    EventType,
    EventView,
    Missed,
    NewEndpoint,
    OpenedEndpoint,
    Replay,
    Replayed,
)
from service.intents.rules import ask
from service.jobs import Job
from service.page import Page
from service.reviews.controllers import Cursor, Limit

EndpointId = Annotated[int, Parameter(description="the endpoint's id")]
EventId = Annotated[str, Parameter(description="the event's id: its `webhook-id`")]


class EndpointsController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/endpoints", ("events",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_endpoints(self, context: Context, bot: BotName) -> Page[Endpoint]:
        with reading(context.engine) as connection:
            return Page(endpoints.list_endpoints(connection, bot))

    @post("/", sync_to_thread=True)
    def add_endpoint(self, context: Context, principal: Principal, bot: BotName, data: NewEndpoint) -> OpenedEndpoint:
        """Tell a URL what happens to the bot; the secret is shown this once."""
        url = check_url(data.url, parse_networks(context.settings.endpoint_networks))
        with writing(context.engine) as connection:
            return endpoints.add(connection, context.keyring, bot, url, data.events, now(), who=principal.name)

    @get("/{endpoint:int}", sync_to_thread=True)
    def show_endpoint(self, context: Context, bot: BotName, endpoint: EndpointId) -> Endpoint:
        with reading(context.engine) as connection:
            return endpoints.get(connection, bot, endpoint)

    @patch("/{endpoint:int}", sync_to_thread=True)
    def change_endpoint(
        self, context: Context, principal: Principal, bot: BotName, endpoint: EndpointId, data: EndpointChange
    ) -> Endpoint:
        """While it is disabled nothing goes to it; what it missed meanwhile comes by a replay."""
        if data.url is not UNSET:
            check_url(data.url, parse_networks(context.settings.endpoint_networks))
        with writing(context.engine) as connection:
            return endpoints.change(connection, bot, endpoint, data, now(), who=principal.name)

    @delete("/{endpoint:int}", status_code=200, sync_to_thread=True)
    def remove_endpoint(self, context: Context, principal: Principal, bot: BotName, endpoint: EndpointId) -> Endpoint:
        with writing(context.engine) as connection:
            return endpoints.remove(connection, bot, endpoint, now(), who=principal.name)

    @post("/{endpoint:int}/rotate", sync_to_thread=True)
    def rotate_secret(
        self, context: Context, principal: Principal, bot: BotName, endpoint: EndpointId, grace_s: Grace = 24 * 3600
    ) -> OpenedEndpoint:
        """A new secret; for `grace_s` attempts are signed with the earlier ones as well."""
        grace, who = timedelta(seconds=grace_s), principal.name
        with writing(context.engine) as connection:
            secret = endpoints.rotate(connection, context.keyring, bot, endpoint, now(), grace=grace, who=who)
            return OpenedEndpoint(endpoint=endpoints.get(connection, bot, endpoint), secret=secret)

    @post("/{endpoint:int}/test", sync_to_thread=True)
    def test_endpoint(self, context: Context, bot: BotName, endpoint: EndpointId) -> EventView:
        """An event `fencepost.ping`, on its way to this endpoint."""
        with writing(context.engine) as connection:
            found = listing.show(connection, bot, endpoints.ping(connection, bot, endpoint, now()))
        ask(context, Job.DELIVER, bot)  # the schedule would, too
        return found

    @post("/{endpoint:int}/replay", status_code=200, sync_to_thread=True)
    def replay_missed(
        self, context: Context, principal: Principal, bot: BotName, endpoint: EndpointId, data: Missed
    ) -> Replayed:
        """Send what happened since then and did not reach the endpoint."""
        since, who = data.since, principal.name
        found = listing.replay_missed(context.engine, bot, endpoint, since, now(), who=who)
        ask(context, Job.DELIVER, bot)  # the schedule would, too
        return Replayed(found)


class EventsController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/events", ("events",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_events(
        self, context: Context, bot: BotName, type: EventType | None = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[Event]:
        """Newest first, thirty days of them. Where no endpoint wants a type, its events are not kept."""
        with reading(context.engine) as connection:
            return listing.list_events(connection, bot, type, cursor, limit)

    @get("/{event:str}", sync_to_thread=True)
    def show_event(self, context: Context, bot: BotName, event: EventId) -> EventView:
        with reading(context.engine) as connection:
            return listing.show(connection, bot, event)

    @post("/{event:str}/replay", status_code=200, sync_to_thread=True)
    def replay_event(
        self, context: Context, principal: Principal, bot: BotName, event: EventId, data: Replay
    ) -> Replayed:
        """Send it again, delivered or not, under the same `webhook-id`."""
        with writing(context.engine) as connection:
            told = listing.replay(connection, bot, event, data.endpoint, now(), who=principal.name)
        ask(context, Job.DELIVER, bot)  # the schedule would, too
        return Replayed(told)


CONTROLLERS = (EndpointsController, EventsController)
