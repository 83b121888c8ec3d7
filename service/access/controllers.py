"""Keys and sign-in links over HTTP."""

from datetime import timedelta

import msgspec
from litestar import Controller, delete, get, post

from service.access import keys, sessions
from service.access.guard import requires
from service.access.keys import ApiKey
from service.access.roles import Principal, Role, may_grant
from service.bots.controllers import BotName, Grace
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import Forbidden, KeyNotFound
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


CONTROLLERS = (MeController, BotKeysController, KeysController)
