"""Dead letters, which the page of sources shows: sent through ingest again, or deleted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from litestar import Controller, post
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.page import Page
from service.turns import dead
from service.turns.source_controllers import LetterId


class Letter(NamedTuple):
    """A dead letter; `source` is "" and `fact` says why where it cannot be read."""

    id: str
    at: datetime
    failures: int
    error: str
    source: str
    fact: str  # masked


class DeadLettersController(Controller):
    path, include_in_schema, guards = "/bots/{bot:str}/dead-letters", False, (requires("owner"),)

    @post("/{letter:str}/replay", status_code=303, sync_to_thread=True)
    def replay_letter(self, context: Context, principal: Principal, bot: BotName, letter: LetterId) -> Redirect:
        dead.replay(context, bot, [letter], now(), who=principal.name)
        return _back(bot, "replayed")

    @post("/replay", status_code=303, sync_to_thread=True)
    def replay_letters(self, context: Context, principal: Principal, bot: BotName) -> Redirect:
        """The oldest of them, as many as dead.PAGE says."""
        oldest = [letter.id for letter in dead.streams_of(context).dead_list(bot, count=dead.PAGE)]
        dead.replay(context, bot, oldest, now(), who=principal.name)
        return _back(bot, "replayed-all")

    @post("/{letter:str}/drop", status_code=303, sync_to_thread=True)
    def drop_letter(self, context: Context, principal: Principal, bot: BotName, letter: LetterId) -> Redirect:
        dead.drop(context, bot, [letter], now(), who=principal.name)
        return _back(bot, "dropped")


def letters(context: Context, bot: str, cursor: str) -> Page[Letter]:
    found = dead.page(dead.streams_of(context), bot, cursor)
    return Page([_letter(one) for one in found.items], found.next)


def _letter(told: Mapping[str, Any]) -> Letter:
    fact = {name: value for name, value in told.items() if name not in ("id", "at", "failures", "error")}
    text = msgspec.json.format(msgspec.json.encode(fact)).decode()
    return Letter(told["id"], told["at"], told["failures"], told["error"], told.get("source", ""), text)


def _back(bot: str, done: str) -> Redirect:
    """`done`: a key of the page's DONE."""
    return Redirect(f"/bots/{bot}/sources?done={done}", status_code=303)
