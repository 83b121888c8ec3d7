"""The settings of a bot: everybody who reads it sees them, its owners change them."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from litestar import Controller, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots import rules
from service.bots.controllers import BotName
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.clock import now
from service.console.frame import bot_page
from service.console.settings_fields import FIELDS, GROUPS, changes, told, written
from service.context import Context
from service.database import reading
from service.errors import BadInput
from service.events.endpoints import list_endpoints
from service.settings import Secret, Settings, describe

HERE = "Settings"
# Of a URL: all from the first colon to the last @, since not everybody escapes what is in a password; and in its query.
PASSWORD = re.compile(r"(?<=://)([^:@/?]*):.*(?=@)|(?<=[?&])(password|sslpassword)=[^&#]*", re.IGNORECASE)


class SettingsController(Controller):
    path, include_in_schema = "/bots/{bot:str}/settings", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show(self, context: Context, principal: Principal, bot: BotName, saved: str = "") -> Response[str]:
        """`saved`: the fields that were just changed."""
        named = [field.label for name, field in FIELDS.items() if name in saved.split(",")]
        return _form(context, principal, _bot(context, bot), saved=named)

    @post("/", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def change(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[Any]:
        """All or nothing: one bad value, and none is stored."""
        before = _bot(context, bot)
        options, wrong = changes(before, data)
        if not wrong:
            try:
                rules.change_bot(context, bot, now(), who=principal.name, **options)
            except BadInput as error:
                wrong = {re.split(r"[.\[]", error.path)[0]: told(error)}
        if wrong:
            return _form(context, principal, before, typed=data, wrong=wrong)
        return Redirect(f"/bots/{bot}/settings?saved={','.join(options)}", status_code=303)


def _bot(context: Context, name: str) -> Bot:
    with reading(context.engine) as connection:
        return get_bot(connection, name)


def _form(
    context: Context,
    principal: Principal,
    bot: Bot,
    *,
    saved: list[str] | None = None,
    typed: dict[str, str] | None = None,
    wrong: dict[str, str] | None = None,
) -> Response[str]:
    is_owner = allows(principal, "owner", bot.name)
    with reading(context.engine) as connection:
        endpoints = list_endpoints(connection, bot.name) if is_owner else []
    fields = {
        "groups": GROUPS,
        "values": written(bot) | (typed or {}),
        "wrong": wrong or {},
        "saved": saved or [],
        "is_owner": is_owner,
        "is_archived": bot.archived_at is not None,
        "endpoints": endpoints,
        "installation": list(installation(context.settings)) if allows(principal, "operator", None) else [],
    }
    return bot_page("settings.html", principal, bot.name, HERE, status=400 if wrong else 200, **fields)


def installation(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Rows (variable, value, meaning) of the settings that operators set where it runs; no secret is shown."""
    for (variable, _, meaning), name in zip(describe(), Settings.__struct_fields__, strict=True):
        yield variable, _masked(getattr(settings, name)), meaning


def _masked(value: object) -> str:
    """
    >>> _masked(Secret("xoxb-1")), _masked("postgresql://ana:hunter2@db/fp"), _masked("")
    ('set, not shown', 'postgresql://ana:****@db/fp', '')
    >>> _masked("redis://:a:b/c@d@redis/0"), _masked("postgresql://db/fp?user=ana&password=hunter2")
    ('redis://:****@redis/0', 'postgresql://db/fp?user=ana&password=****')
    """
    if isinstance(value, Secret):
        return "set, not shown" if value else ""
    return PASSWORD.sub(_starred, str(value))


def _starred(found: re.Match[str]) -> str:
    user, parameter = found.groups()
    return f"{parameter}=****" if parameter else f"{user}:****"
