"""`fencepost endpoints …` and `fencepost events …`."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import click
import msgspec

from service.access.audit import at_terminal
from service.access.commands import GRACE, JSON
from service.clock import now
from service.context import Context, opened
from service.database import reading, writing
from service.events import endpoints, listing
from service.events.addresses import check_url, parse_networks
from service.events.schemas import EVENT_TYPES, Endpoint, EndpointChange, Event, EventType, OpenedEndpoint, Sending
from service.printing import as_json, table
from service.settings import Settings

SHOWN = 100
Deliver = Callable[[Context, str], object]


def _wanted(_ctx: click.Context, _option: click.Parameter, given: str | None) -> tuple[EventType, ...] | None:
    if given is None:
        return None
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    if unknown := [name for name in names if name not in EVENT_TYPES]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(EVENT_TYPES)}")
    return cast(tuple[EventType, ...], names)


EVENTS = click.option("--events", callback=_wanted, help='Types, separated by commas; "": all.')
ENDPOINT = click.argument("endpoint", type=int)


def commands(deliver: Deliver) -> Iterator[click.Command]:
    """`deliver` makes the attempts that are due: it belongs to the workers."""
    yield endpoints_group(deliver)
    yield events_group


def endpoints_group(deliver: Deliver) -> click.Group:
    found = click.Group("endpoints", help="URLs that are told what happens to a bot, by signed webhooks.")
    for command in (list_endpoints, add_endpoint, set_endpoint, enable, disable, rotate_secret, remove_endpoint):
        found.add_command(command)
    found.add_command(_test_command(deliver))
    return found


@click.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_endpoints(settings: Settings, bot: str, is_json: bool) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        found = endpoints.list_endpoints(connection, bot)
    if is_json:
        return as_json(found)
    table(
        ("id", "url", "events", "state"),
        [(one.id, one.url, ", ".join(one.events) or "all", _state(one)) for one in found],
    )


def _state(one: Endpoint) -> str:
    if one.disabled_at is not None:
        return f"disabled: {endpoints.TROUBLES.get(one.disabled_because, 'by hand')}"
    return f"failing since {one.failing_since:%Y-%m-%d %H:%M}" if one.failing_since else "enabled"


@click.command("add")
@click.argument("bot")
@click.argument("url")
@EVENTS
@JSON
@click.pass_obj
def add_endpoint(settings: Settings, bot: str, url: str, events: tuple[EventType, ...] | None, is_json: bool) -> None:
    """Tell URL what happens to BOT. The secret that verifies it is shown once."""
    check_url(url, parse_networks(settings.endpoint_networks))
    with opened(settings) as context, writing(context.engine) as connection:
        made = endpoints.add(connection, context.keyring, bot, url, events or (), now(), who=at_terminal())
    _show(made, is_json)


def _show(made: OpenedEndpoint, is_json: bool) -> None:
    if is_json:
        return as_json(made)
    click.echo(f"endpoint {made.endpoint.id}", err=True)
    click.echo(made.secret)
    click.echo("Keep the secret now: it is not shown again.", err=True)


@click.command("set")
@click.argument("bot")
@ENDPOINT
@click.option("--url", help="Where it is told from now on.")
@EVENTS
@click.pass_obj
def set_endpoint(
    settings: Settings, bot: str, endpoint: int, url: str | None, events: tuple[EventType, ...] | None
) -> None:
    """Change an endpoint; what is not given stays."""
    if url is not None:
        check_url(url, parse_networks(settings.endpoint_networks))
    wanted = EndpointChange(
        url=msgspec.UNSET if url is None else url, events=msgspec.UNSET if events is None else events
    )
    _change(settings, bot, endpoint, wanted)
    click.echo(f"endpoint {endpoint} is changed")


def _change(settings: Settings, bot: str, endpoint: int, wanted: EndpointChange) -> None:
    with opened(settings) as context, writing(context.engine) as connection:
        endpoints.change(connection, bot, endpoint, wanted, now(), who=at_terminal())


@click.command("enable")
@click.argument("bot")
@ENDPOINT
@click.pass_obj
def enable(settings: Settings, bot: str, endpoint: int) -> None:
    """Tell it what happens from now on; `events replay --since` brings what it missed."""
    _change(settings, bot, endpoint, EndpointChange(enabled=True))
    click.echo(f"endpoint {endpoint} is enabled")


@click.command("disable")
@click.argument("bot")
@ENDPOINT
@click.pass_obj
def disable(settings: Settings, bot: str, endpoint: int) -> None:
    """Send nothing to it, nor what is on its way."""
    _change(settings, bot, endpoint, EndpointChange(enabled=False))
    click.echo(f"endpoint {endpoint} is disabled")


@click.command("rotate")
@click.argument("bot")
@ENDPOINT
@GRACE
@JSON
@click.pass_obj
def rotate_secret(settings: Settings, bot: str, endpoint: int, grace_hours: float, is_json: bool) -> None:
    """Make a new secret; attempts are signed with the earlier ones, too, for the grace period. Shown once."""
    grace, who = timedelta(hours=grace_hours), at_terminal()
    with opened(settings) as context, writing(context.engine) as connection:
        secret = endpoints.rotate(connection, context.keyring, bot, endpoint, now(), grace=grace, who=who)
        made = OpenedEndpoint(endpoint=endpoints.get(connection, bot, endpoint), secret=secret)
    _show(made, is_json)


@click.command("remove")
@click.argument("bot")
@ENDPOINT
@click.pass_obj
def remove_endpoint(settings: Settings, bot: str, endpoint: int) -> None:
    """Forget an endpoint and its secrets."""
    with opened(settings) as context, writing(context.engine) as connection:
        endpoints.remove(connection, bot, endpoint, now(), who=at_terminal())
    click.echo(f"endpoint {endpoint} is removed")


def _test_command(deliver: Deliver) -> click.Command:
    @click.command("test")
    @click.argument("bot")
    @ENDPOINT
    @click.pass_obj
    def test_endpoint(settings: Settings, bot: str, endpoint: int) -> None:
        """Send it an event `fencepost.ping` now, and say what it answers."""
        with opened(settings) as context:
            with writing(context.engine) as connection:
                event_id = endpoints.ping(connection, bot, endpoint, now())
            deliver(context, bot)
            with reading(context.engine) as connection:
                found = listing.show(connection, bot, event_id)
        for made in found.attempts:
            click.echo(f"{event_id}: {made.error or f'answered {made.status_code}'}, {made.ms} ms")
        if not found.attempts:
            click.echo(f"{event_id}: on its way; see `fencepost events show {bot} {event_id}`")
        if found.sendings[0].status != "delivered":
            raise click.exceptions.Exit(1)

    return test_endpoint


@click.group("events")
def events_group() -> None:
    """What endpoints are told: listed, and sent again."""


@events_group.command("list")
@click.argument("bot")
@click.option("--type", "event_type", type=click.Choice(EVENT_TYPES), help="Only this one.")
@JSON
@click.pass_obj
def list_events(settings: Settings, bot: str, event_type: EventType | None, is_json: bool) -> None:
    """The newest ones, and how far each is on its way."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = listing.list_events(connection, bot, event_type, None, SHOWN).items
    if is_json:
        return as_json(found)
    table(("id", "type", "at", "endpoints"), [_row(one) for one in found])


def _row(one: Event) -> tuple[object, ...]:
    return one.id, one.type, f"{one.at:%Y-%m-%d %H:%M:%S}", "; ".join(_told(each) for each in one.sendings)


def _told(one: Sending) -> str:
    tried = f" after {one.attempts}" if one.attempts > 1 or one.status == "failed" else ""
    following = f", next {one.next_at:%m-%d %H:%M:%S}" if one.next_at and one.attempts else ""
    return f"{one.endpoint} {one.status}{tried}{following}"


@events_group.command("show")
@click.argument("bot")
@click.argument("event")
@click.pass_obj
def show_event(settings: Settings, bot: str, event: str) -> None:
    """One event with every attempt, as JSON."""
    with opened(settings) as context, reading(context.engine) as connection:
        as_json(listing.show(connection, bot, event))


@events_group.command("replay")
@click.argument("bot")
@click.argument("event", required=False)
@click.option("--endpoint", type=int, help="Only to this one.")
@click.option("--since", type=click.DateTime(), help="UTC: what happened since then and did not reach ENDPOINT.")
@click.pass_obj
def replay_events(settings: Settings, /, **given: Any) -> None:
    """Send EVENT again, or what an endpoint missed; within seconds where the workers run."""
    with opened(settings) as context:
        told = _replay(context, **given)
    click.echo(f"{told} on the way")


def _replay(context: Context, bot: str, event: str | None, endpoint: int | None, since: datetime | None) -> int:
    if since is not None and endpoint is not None and event is None:
        from_then = since.replace(tzinfo=UTC)
        return listing.replay_missed(context.engine, bot, endpoint, from_then, now(), who=at_terminal())
    if event is None or since is not None:
        raise click.UsageError("give an EVENT, or --since and --endpoint")
    with writing(context.engine) as connection:
        return listing.replay(connection, bot, event, endpoint, now(), who=at_terminal())
