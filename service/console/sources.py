"""Sources: what each brings and what of it is refused, their dead letters, and what an owner sets up and changes.

A secret cannot stand in an address, so what makes one answers with the page that shows it, this once; every other form
leads back to the list."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from litestar import Controller, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from msgspec import Meta

from service.access.guard import requires
from service.access.roles import Principal
from service.bots import signing, sources, store
from service.bots.controllers import BotName, webhook_url
from service.bots.schemas import Source
from service.bots.sources import Formats, NewSource
from service.clock import now
from service.console import sources_plots as plots
from service.console.dead_letters import letters
from service.console.figures import Figure
from service.console.frame import bot_page
from service.console.source_words import lag, told
from service.console.sources_plots import SourceTurns
from service.context import Context
from service.database import reading, writing
from service.errors import BadInput, FencepostError
from service.turns import activity as rules
from service.turns import dead
from service.turns.activity import Activity, SourceActivity
from service.turns.source_controllers import After

HERE = "Sources"  # the tab
NEW = "+"  # is no source's name
DRAWN = 7  # sources, one for each colour
DAY = timedelta(days=1)
GRACES = {0: "ends at once", 24 * 3600: "stays valid for a day", 7 * 24 * 3600: "stays valid for a week"}


class SourceForm(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: the format's own name, its own scheme, no options, a secret of ours."""

    format: str
    name: Annotated[str, Meta(max_length=40)] = ""
    scheme: str = ""
    options: Annotated[str, Meta(max_length=10_000)] = ""
    secret: str = ""


class SecretForm(msgspec.Struct, frozen=True, kw_only=True):
    secret: str = ""  # the sender's; "": we make one
    grace_s: str = "86400"


class Card(NamedTuple):
    """A source as the page shows it."""

    source: Source
    activity: SourceActivity
    webhook: str
    state: str
    connect: str
    counts: Sequence[tuple[str, str, str]]  # what, how many, of which types
    is_issued: bool  # the sender makes its secret
    is_signed: bool


class SourcesController(Controller):
    path, include_in_schema, guards = "/bots/{bot:str}/sources", False, (requires("owner"),)

    @get("/", sync_to_thread=True)
    def show(
        self, context: Context, formats: Formats, principal: Principal, bot: BotName, cursor: After = "", done: str = ""
    ) -> Response[str]:
        """`done`: what was just done, a key of DONE."""
        return page(context, formats, principal, bot, cursor=cursor, done=DONE.get(done, ""))

    @post("/", status_code=200, sync_to_thread=True)
    def add_source(
        self,
        context: Context,
        formats: Formats,
        principal: Principal,
        bot: BotName,
        data: Annotated[SourceForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[str]:
        try:
            wanted = _wanted(data)
            with writing(context.engine) as connection:
                made = sources.add_source(connection, context.keyring, formats, bot, wanted, now(), principal.name)
        except FencepostError as error:
            return page(context, formats, principal, bot, problem=error, failed=NEW, typed=data)
        return _opened(context, principal, made.source, "" if data.secret else made.secret)

    @post("/{source:str}/rotate", status_code=200, sync_to_thread=True)
    def rotate_secret(
        self,
        context: Context,
        formats: Formats,
        principal: Principal,
        bot: BotName,
        source: str,
        data: Annotated[SecretForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[str]:
        given = data.secret.strip()
        try:
            grace = _grace(data.grace_s)
            with writing(context.engine) as connection:
                secret = sources.rotate_secret(
                    connection, context.keyring, bot, source, now(), grace=grace, secret=given, who=principal.name
                )
                found = store.get_source(connection, bot, source)
        except FencepostError as error:
            return page(context, formats, principal, bot, problem=error, failed=source)
        return _opened(context, principal, found, "" if given else secret)

    @post("/{source:str}/archive", status_code=303, sync_to_thread=True)
    def archive_source(self, context: Context, principal: Principal, bot: BotName, source: str) -> Redirect:
        with writing(context.engine) as connection:
            store.archive_source(connection, bot, source, now(), who=principal.name)
        return _back(bot, "archived")

    @post("/{source:str}/restore", status_code=303, sync_to_thread=True)
    def restore_source(self, context: Context, principal: Principal, bot: BotName, source: str) -> Redirect:
        with writing(context.engine) as connection:
            store.restore_source(connection, bot, source, now(), who=principal.name)
        return _back(bot, "restored")


DONE: Mapping[str, str] = {
    "archived": "The source is archived: it takes nothing more, and what came in by it stays.",
    "restored": "The source takes deliveries again, signed by the secrets it had.",
    "replayed": "The dead letter is on its way through ingest again. If it fails once more, it comes back here.",
    "replayed-all": "The dead letters are on their way through ingest again.",
    "dropped": "The dead letter is deleted.",
}


def _back(bot: str, done: str) -> Redirect:
    return Redirect(f"/bots/{bot}/sources?done={done}", status_code=303)


def _wanted(form: SourceForm) -> NewSource:
    """BadInput where the options are no JSON object."""
    given: dict[str, Any] = {name: value for name in ("name", "scheme", "secret") if (value := _of(form, name))}
    if form.options.strip():
        given["options"] = _options(form.options)
    return NewSource(format=form.format, **given)


def _of(form: SourceForm, name: str) -> str:
    return str(getattr(form, name)).strip()


def _options(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BadInput(f"not a JSON object: {error}", path="options") from error


def _grace(seconds: str) -> timedelta:
    if seconds not in map(str, GRACES):
        raise BadInput("the earlier secret ends at once, after a day or after a week", path="grace_s")
    return timedelta(seconds=int(seconds))


def _opened(context: Context, principal: Principal, source: Source, secret: str) -> Response[str]:
    """`secret`: ours; "": the sender's, or none."""
    webhook = webhook_url(context, source.bot, source.name)
    has_none = not secret and source.scheme == signing.UNSIGNED
    fields: dict[str, Any] = {"source": source, "webhook": webhook, "secret": secret, "has_none": has_none}
    with reading(context.engine) as connection:
        fields["waits"] = not has_none and not store.has_secret(connection, source.bot, source.name, now())
    return bot_page("source_secret.html", principal, source.bot, HERE, **fields)


def page(
    context: Context,
    formats: Formats,
    principal: Principal,
    bot: str,
    *,
    cursor: str = "",
    done: str = "",
    problem: FencepostError | None = None,
    failed: str = "",
    typed: SourceForm | None = None,
) -> Response[str]:
    """The list; with what was typed, and what is wrong with it. `failed`: the source whose form that was, or NEW."""
    at = now()
    found = rules.activity(context, bot, at)
    with reading(context.engine) as connection:
        listed = store.list_sources(connection, bot)
    fields: dict[str, Any] = {
        "cards": [_card(context, formats, source, one) for source, one in zip(listed, found.sources, strict=True)],
        "found": found,
        "lag": lag(found),
        "rate": rate_figure(found, at.date()),
        "letters": letters(context, bot, cursor) if found.dead_letters else None,
        "at_once": dead.PAGE,
        "formats": formats,
        "graces": GRACES,
        "done": done,
        "problem": problem,
        "failed": failed,
        "wrong": problem.path.partition(".")[0] if problem else "",  # the field
        "typed": typed or SourceForm(format=""),
    }
    return bot_page("sources.html", principal, bot, HERE, status=problem.status if problem else 200, **fields)


def _card(context: Context, formats: Formats, source: Source, activity: SourceActivity) -> Card:
    platform = formats.platforms.get(source.format)
    return Card(
        source,
        activity,
        webhook_url(context, source.bot, source.name),
        _state(source, activity),
        platform.connect if platform else "",
        list(told(activity.counts or {})),
        source.scheme in signing.ISSUED,
        source.scheme != signing.UNSIGNED,
    )


def _state(source: Source, activity: SourceActivity) -> str:
    if source.archived_at is not None:
        return f"archived since {source.archived_at:%Y-%m-%d}"
    if source.scheme == signing.UNSIGNED:
        return "live, and unsigned: whoever knows the address can send"
    return "live" if activity.has_secret else "takes nothing: it has no secret yet"


def rate_figure(found: Activity, today: date) -> Figure | None:
    """Of whole days: today's is not over."""
    busiest = sorted(found.sources, key=lambda one: -sum(one.turns_by_day.values()))[:DRAWN]
    drawn = sorted((one for one in busiest if any(day < today for day in one.turns_by_day)), key=lambda one: one.source)
    if not drawn:
        return None
    said_on = [day for one in drawn for day in one.turns_by_day if day < today]
    days = [min(said_on) + n * DAY for n in range((max(said_on) - min(said_on)).days + 1)]
    points = tuple(SourceTurns(day, one.source, one.turns_by_day.get(day, 0)) for day in days for one in drawn)
    rows = [(str(day), *(f"{one.turns_by_day.get(day, 0):,}" for one in drawn)) for day in reversed(days)]
    label = "Turns a day by source, in UTC."
    return Figure(plots.rate, points, label, ("day", *(one.source for one in drawn)), rows)
