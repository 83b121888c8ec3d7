"""A bot's sources over HTTP, for owners who have no shell."""

from datetime import timedelta

import msgspec
from litestar import Controller, delete, get, patch, post

from service.access.guard import requires
from service.access.roles import Principal
from service.bots import sources, store
from service.bots.controllers import BotName, Grace, webhook_url
from service.bots.schemas import Source
from service.bots.sources import Formats, NewSource, Opened, SourceChanges
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.page import Page


class OpenedSource(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is shown this once; "" where it was given or has still to be, where it stays as it was, and where there
    is none."""

    source: Source
    webhook: str
    secret: str


class SendersSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    secret: str


class NewSecret(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is shown this once; "" where it was given."""

    source: str
    secret: str


def opened_source(context: Context, made: Opened, *, is_given: bool) -> OpenedSource:
    """A secret that was given is not said again."""
    url = webhook_url(context, made.source.bot, made.source.name)
    return OpenedSource(source=made.source, webhook=url, secret="" if is_given else made.secret)


class SourcesController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/sources", ("sources",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_sources(self, context: Context, bot: BotName) -> Page[Source]:
        """Archived ones too."""
        with reading(context.engine) as connection:
            return Page(store.list_sources(connection, bot))

    @post("/", sync_to_thread=True)
    def add_source(
        self, context: Context, formats: Formats, principal: Principal, bot: BotName, data: NewSource
    ) -> OpenedSource:
        """Let logs of a format reach the bot. A secret that we make is shown this once."""
        with writing(context.engine) as connection:
            made = sources.add_source(connection, context.keyring, formats, bot, data, now(), principal.name)
        return opened_source(context, made, is_given=bool(data.secret))

    @patch("/{source:str}", sync_to_thread=True)
    def change_source(
        self, context: Context, formats: Formats, principal: Principal, bot: BotName, source: str, data: SourceChanges
    ) -> OpenedSource:
        """With another scheme the earlier secrets end at once, and a new one is shown, this once."""
        with writing(context.engine) as connection:
            made = sources.set_source(connection, context.keyring, formats, bot, source, data, now(), principal.name)
        return opened_source(context, made, is_given=bool(data.secret))

    @post("/{source:str}/rotate", sync_to_thread=True)
    def rotate_secret(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        source: str,
        data: SendersSecret | None = None,
        grace_s: Grace = 24 * 3600,
    ) -> NewSecret:
        """A new secret, or the sender's; the earlier ones stay valid for `grace_s`."""
        given, grace = data.secret if data else "", timedelta(seconds=grace_s)
        with writing(context.engine) as connection:
            secret = sources.rotate_secret(
                connection, context.keyring, bot, source, now(), grace=grace, secret=given, who=principal.name
            )
        return NewSecret(source=source, secret="" if given else secret)

    @delete("/{source:str}", status_code=200, sync_to_thread=True)
    def archive_source(self, context: Context, principal: Principal, bot: BotName, source: str) -> Source:
        """Archive: it takes nothing more, and what came in by it stays."""
        with writing(context.engine) as connection:
            return store.archive_source(connection, bot, source, now(), who=principal.name)

    @post("/{source:str}/restore", status_code=200, sync_to_thread=True)
    def restore_source(self, context: Context, principal: Principal, bot: BotName, source: str) -> Source:
        with writing(context.engine) as connection:
            return store.restore_source(connection, bot, source, now(), who=principal.name)


CONTROLLERS = (SourcesController,)
