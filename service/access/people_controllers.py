"""Roles of people whom a proxy signs in, over HTTP."""

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, put
from litestar.params import Parameter

from service.access import people
from service.access.controllers import check_grant
from service.access.guard import requires
from service.access.people import PersonGrant, PersonRole
from service.access.roles import Principal, Role
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.page import Page

Person = Annotated[str, Parameter(max_length=80, description="as the proxy writes the name")]


class WantedRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: PersonRole


def grant_role(context: Context, principal: Principal, name: str, bot: str | None, role: Role) -> PersonGrant:
    check_grant(principal, role, bot)
    with writing(context.engine) as connection:
        return people.grant(connection, name, bot, role, now(), who=principal.name)


def revoke_role(context: Context, principal: Principal, name: str, bot: str | None) -> PersonGrant:
    with writing(context.engine) as connection:
        return people.revoke(connection, name, bot, now(), who=principal.name)


class BotPeopleController(Controller):
    """Of one bot, for its owners."""

    path, tags, guards = "/v1/bots/{bot:str}/people", ("access",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_bot_people(self, context: Context, bot: BotName) -> Page[PersonGrant]:
        with reading(context.engine) as connection:
            return Page(people.list_grants(connection, bot))

    @put("/{person:str}", sync_to_thread=True)
    def grant_bot_role(
        self, context: Context, principal: Principal, bot: BotName, person: Person, data: WantedRole
    ) -> PersonGrant:
        """In place of the role they had for the bot."""
        return grant_role(context, principal, person, bot, data.role)

    @delete("/{person:str}", status_code=200, sync_to_thread=True)
    def revoke_bot_role(self, context: Context, principal: Principal, bot: BotName, person: Person) -> PersonGrant:
        return revoke_role(context, principal, person, bot)


class PeopleController(Controller):
    """Of every bot, for operators."""

    path, tags, guards = "/v1/people", ("access",), (requires("operator"),)

    @get("/", sync_to_thread=True)
    def list_people(self, context: Context) -> Page[PersonGrant]:
        """All that is granted, for one bot or every bot."""
        with reading(context.engine) as connection:
            return Page(people.list_grants(connection))

    @put("/{person:str}", sync_to_thread=True)
    def grant_person_role(
        self, context: Context, principal: Principal, person: Person, data: WantedRole
    ) -> PersonGrant:
        """For every bot, in place of the role they had for every bot."""
        return grant_role(context, principal, person, None, data.role)

    @delete("/{person:str}", status_code=200, sync_to_thread=True)
    def revoke_person_role(self, context: Context, principal: Principal, person: Person) -> PersonGrant:
        """What they were granted for single bots stays."""
        return revoke_role(context, principal, person, None)


CONTROLLERS = (BotPeopleController, PeopleController)
