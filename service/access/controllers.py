"""Keys and sign-in links over HTTP, and the pages that open and close a console session."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access import keys, pages, sessions
from service.access.guard import COOKIE, is_same_origin, requires
from service.access.keys import ApiKey
from service.access.returning import own_path
from service.access.roles import Principal, Role, may_grant
from service.bots.controllers import BotName, Grace
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import BadInput, Forbidden, KeyNotFound, SignInSpent, Unauthorized
from service.page import Page


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key or a link to make: who for, and how far it reaches."""

    role: Role
    name: str = ""


class InstallationGrant(Grant, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bot: str | None = None


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is shown this once."""

    id: str
    key: str


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Works once, within 15 minutes."""

    url: str


class KeyForm(msgspec.Struct, frozen=True, kw_only=True):
    """`to`: where the person wanted to go."""

    key: str = ""
    to: str = "/"


class SignInForm(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


def sign_in_url(context: Context, token: str) -> str:
    return f"{context.settings.base_url}/sign-in/{token}"


def make_key(context: Context, principal: Principal, grant: Grant, bot: str | None) -> NewKey:
    check_grant(principal, grant.role, bot)
    with writing(context.engine) as connection:
        key = keys.create_key(connection, name=grant.name, role=grant.role, bot=bot, now=now(), who=principal.name)
    return NewKey(id=keys.id_of(key), key=key)


def make_link(context: Context, principal: Principal, grant: Grant, bot: str | None) -> Link:
    check_grant(principal, grant.role, bot)
    with writing(context.engine) as connection:
        token = sessions.create_sign_in(
            connection, name=grant.name, role=grant.role, bot=bot, now=now(), who=principal.name
        )
    return Link(url=sign_in_url(context, token))


def check_grant(principal: Principal, role: Role, bot: str | None) -> None:
    if not may_grant(principal, role, bot):
        raise Forbidden(f"{principal.role} may not grant {role}", hint="nobody hands out more than they have")


class MeController(Controller):
    path, tags = "/v1/me", ("access",)

    @get("/", guards=[requires("reader")], sync_to_thread=False)
    def show_me(self, principal: Principal) -> Principal:
        return principal


class BotKeysController(Controller):
    """Keys of one bot, for its owners."""

    path, tags, guards = "/v1/bots/{bot:str}", ("access",), (requires("owner"),)

    @get("/keys", sync_to_thread=True)
    def list_bot_keys(self, context: Context, bot: BotName) -> Page[ApiKey]:
        with reading(context.engine) as connection:
            return Page(keys.list_keys(connection, bot))

    @post("/keys", sync_to_thread=True)
    def create_bot_key(self, context: Context, principal: Principal, bot: BotName, data: Grant) -> NewKey:
        return make_key(context, principal, data, bot)

    @post("/keys/{key_id:str}/rotate", sync_to_thread=True)
    def rotate_bot_key(
        self, context: Context, principal: Principal, bot: BotName, key_id: str, grace_s: Grace = 24 * 3600
    ) -> NewKey:
        """A new key with the same name and role; the old one stays valid for `grace_s`."""
        with writing(context.engine) as connection:
            check_owner(keys.get_key(connection, key_id), bot)
            grace = timedelta(seconds=grace_s)
            key = keys.rotate_key(connection, key_id, now(), grace=grace, who=principal.name)
        return NewKey(id=keys.id_of(key), key=key)

    @delete("/keys/{key_id:str}", status_code=200, sync_to_thread=True)
    def revoke_bot_key(self, context: Context, principal: Principal, bot: BotName, key_id: str) -> ApiKey:
        with writing(context.engine) as connection:
            check_owner(keys.get_key(connection, key_id), bot)
            return keys.revoke_key(connection, key_id, now(), who=principal.name)

    @post("/sign-ins", sync_to_thread=True)
    def create_bot_sign_in(self, context: Context, principal: Principal, bot: BotName, data: Grant) -> Link:
        return make_link(context, principal, data, bot)


def check_owner(key: ApiKey, bot: str) -> None:
    if key.bot != bot:
        raise KeyNotFound(key.id)


class KeysController(Controller):
    """Every key, for operators."""

    path, tags, guards = "/v1", ("access",), (requires("operator"),)

    @get("/keys", sync_to_thread=True)
    def list_keys(self, context: Context) -> Page[ApiKey]:
        with reading(context.engine) as connection:
            return Page(keys.list_keys(connection))

    @post("/keys", sync_to_thread=True)
    def create_key(self, context: Context, principal: Principal, data: InstallationGrant) -> NewKey:
        return make_key(context, principal, data, data.bot)

    @post("/keys/{key_id:str}/rotate", sync_to_thread=True)
    def rotate_key(self, context: Context, principal: Principal, key_id: str, grace_s: Grace = 24 * 3600) -> NewKey:
        with writing(context.engine) as connection:
            grace = timedelta(seconds=grace_s)
            key = keys.rotate_key(connection, key_id, now(), grace=grace, who=principal.name)
        return NewKey(id=keys.id_of(key), key=key)

    @delete("/keys/{key_id:str}", status_code=200, sync_to_thread=True)
    def revoke_key(self, context: Context, principal: Principal, key_id: str) -> ApiKey:
        with writing(context.engine) as connection:
            return keys.revoke_key(connection, key_id, now(), who=principal.name)

    @post("/sign-ins", sync_to_thread=True)
    def create_sign_in(self, context: Context, principal: Principal, data: InstallationGrant) -> Link:
        return make_link(context, principal, data, data.bot)


class SignInController(Controller):
    """Opening a session. Public: the key, or the link's token, is the proof. Guessing is not slowed: either has 256
    random bits."""

    path, include_in_schema = "/", False

    @get("/sign-in", sync_to_thread=False)
    def show_key_form(self, to: str = "/") -> Response[str]:
        return pages.by_key(own_path(to))

    @post("/sign-in", status_code=303, sync_to_thread=True)
    def sign_in_by_key(
        self,
        request: Request[Any, Any, Any],
        context: Context,
        data: Annotated[KeyForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[Any]:
        # Else another site could sign somebody in as its own person, and see what they do here.
        if not is_same_origin(request, context):
            raise _elsewhere()
        try:
            with writing(context.engine) as connection:
                session = sessions.open_by_key(connection, data.key.strip(), now())
        except (Unauthorized, BadInput) as error:
            return pages.by_key(own_path(data.to), error)
        return Redirect(own_path(data.to), status_code=303, cookies=[session_cookie(context, session)])

    @get("/sign-in/{token:str}", sync_to_thread=True)
    def show_sign_in(self, context: Context, token: str) -> Response[str]:
        try:
            with reading(context.engine) as connection:
                return pages.sign_in(sessions.look_at(connection, token, now()))
        except SignInSpent as error:
            return pages.refused(error)

    @post("/sign-in/{token:str}", status_code=303, sync_to_thread=True)
    def redeem_sign_in(
        self,
        request: Request[Any, Any, Any],
        context: Context,
        token: str,
        data: Annotated[SignInForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[Any]:
        is_browser = {"origin", "sec-fetch-site"} & set(request.headers)
        if is_browser and not is_same_origin(request, context):
            raise _elsewhere()
        try:
            with writing(context.engine) as connection:
                session = sessions.redeem(connection, token, data.name, now())
        except SignInSpent as error:
            return pages.refused(error)
        except BadInput as error:
            with reading(context.engine) as connection:
                return pages.sign_in(sessions.look_at(connection, token, now()), data.name, error)
        return Redirect("/", status_code=303, cookies=[session_cookie(context, session)])

    @post("/sign-out", guards=[requires("reader")], status_code=200, sync_to_thread=True)
    def sign_out(self, request: Request[Any, Any, Any], context: Context) -> Response[str]:
        with writing(context.engine) as connection:
            sessions.close_session(connection, request.cookies.get(COOKIE, ""), now())
        page = pages.signed_out()
        page.delete_cookie(COOKIE)
        return page


def _elsewhere() -> Forbidden:
    return Forbidden("this form is on a page of another site", hint="open our own page to sign in")


def session_cookie(context: Context, session: str) -> Cookie:
    return Cookie(
        COOKIE,
        value=session,
        path="/",
        max_age=int(sessions.SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",  # strict would ask everybody to sign in again who follows a link from Slack
        secure=context.settings.base_url.startswith("https:"),
    )


CONTROLLERS = (MeController, BotKeysController, KeysController, SignInController)
