"""Who reaches a bot: its keys, sign-in links and whom they let in, and people whom a proxy signs in. For its owners."""

from datetime import timedelta
from typing import Annotated, Any, get_args

import msgspec
from litestar import Controller, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access import keys, people, sessions
from service.access.controllers import Grant, check_owner, make_key, make_link
from service.access.guard import requires
from service.access.people_controllers import grant_role, revoke_role
from service.access.roles import Principal, Role
from service.access.session_controllers import end_session_of
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.clock import now
from service.console.frame import bot_page
from service.context import Context
from service.database import reading, writing
from service.errors import BadInput

HERE = "Settings"
ROLES = tuple(role for role in get_args(Role) if role != "operator")  # a bot's own
DONE = ("revoked", "ended", "granted", "taken")
GRACES = {"0": "at once", "24": "in a day", "168": "in a week"}  # hours


class GrantForm(msgspec.Struct, frozen=True, kw_only=True):
    role: Role
    name: str = ""


class RotateForm(msgspec.Struct, frozen=True, kw_only=True):
    grace_hours: Annotated[int, msgspec.Meta(ge=0, le=720)] = 24


class RevokeForm(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


Granted = Annotated[GrantForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


class AccessController(Controller):
    """What is secret is in the answer to the form itself, once: an address would keep it."""

    path, include_in_schema, guards = "/bots/{bot:str}/settings/access", False, (requires("owner"),)

    @get("/", sync_to_thread=True)
    def show(self, context: Context, principal: Principal, bot: BotName, done: str = "") -> Response[str]:
        return _page(context, principal, bot, done=done if done in DONE else "")

    @post("/keys", status_code=200, sync_to_thread=True)
    def create_key(self, context: Context, principal: Principal, bot: BotName, data: Granted) -> Response[str]:
        try:
            made = make_key(context, principal, Grant(role=data.role, name=data.name), bot)
        except BadInput as error:
            return _page(context, principal, bot, typed=data, wrong=("key", error))
        return _page(context, principal, bot, key=made.key)

    @post("/keys/{key_id:str}/rotate", status_code=200, sync_to_thread=True)
    def rotate_key(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        key_id: str,
        data: Annotated[RotateForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[str]:
        with writing(context.engine) as connection:
            check_owner(keys.get_key(connection, key_id), bot)
            grace = timedelta(hours=data.grace_hours)
            key = keys.rotate_key(connection, key_id, now(), grace=grace, who=principal.name)
        return _page(context, principal, bot, key=key)

    @post("/keys/{key_id:str}/revoke", status_code=303, sync_to_thread=True)
    def revoke_key(self, context: Context, principal: Principal, bot: BotName, key_id: str) -> Redirect:
        with writing(context.engine) as connection:
            check_owner(keys.get_key(connection, key_id), bot)
            keys.revoke_key(connection, key_id, now(), who=principal.name)
        return Redirect(f"/bots/{bot}/settings/access?done=revoked", status_code=303)

    @post("/links", status_code=200, sync_to_thread=True)
    def create_link(self, context: Context, principal: Principal, bot: BotName, data: Granted) -> Response[str]:
        try:
            link = make_link(context, principal, Grant(role=data.role, name=data.name), bot)
        except BadInput as error:
            return _page(context, principal, bot, typed=data, wrong=("link", error))
        return _page(context, principal, bot, link=link.url)

    @post("/sessions/{session_id:str}/end", status_code=303, sync_to_thread=True)
    def end_session(self, context: Context, principal: Principal, bot: BotName, session_id: str) -> Redirect:
        end_session_of(context, principal, bot, session_id)
        return Redirect(f"/bots/{bot}/settings/access?done=ended", status_code=303)

    @post("/people", status_code=303, sync_to_thread=True)
    def grant(self, context: Context, principal: Principal, bot: BotName, data: Granted) -> Response[Any]:
        try:
            grant_role(context, principal, data.name, bot, data.role)
        except BadInput as error:
            return _page(context, principal, bot, typed=data, wrong=("person", error))
        return Redirect(f"/bots/{bot}/settings/access?done=granted", status_code=303)

    @post("/people/revoke", status_code=303, sync_to_thread=True)
    def revoke(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        data: Annotated[RevokeForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        revoke_role(context, principal, data.name, bot)
        return Redirect(f"/bots/{bot}/settings/access?done=taken", status_code=303)


def _page(
    context: Context,
    principal: Principal,
    bot: str,
    *,
    done: str = "",
    key: str = "",
    link: str = "",
    typed: GrantForm | None = None,
    wrong: tuple[str, BadInput] | None = None,
) -> Response[str]:
    """`wrong`: which form, and what is wrong with what was `typed` into it."""
    at = now()
    with reading(context.engine) as connection:
        get_bot(connection, bot)
        found = [(one, keys.is_valid(one.expires_at, one.revoked_at, at)) for one in keys.list_keys(connection, bot)]
        signed_in, granted = sessions.list_sessions(connection, at, bot), people.list_grants(connection, bot)
    fields = {
        "keys": sorted(found, key=lambda one: not one[1]),  # the valid ones first
        "signed_in": signed_in,
        "granted": granted,
        "sso_header": context.settings.sso_header,
        "roles": ROLES,
        "graces": GRACES,
        "done": done,
        "key": key,
        "link": link,
        "typed": typed,
        "wrong": wrong,
    }
    return bot_page("access.html", principal, bot, HERE, status=400 if wrong else 200, **fields)
