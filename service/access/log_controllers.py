"""The audit log over HTTP."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from litestar import Controller, get
from litestar.params import Parameter, QueryParameter

from service.access.guard import requires
from service.access.log import Entry, Wanted, list_entries
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.context import Context
from service.database import reading
from service.errors import BadInput
from service.page import Page
from service.reviews.controllers import Cursor, Limit

Who = Annotated[str, Parameter(max_length=200, description="by whom, as the log writes the name")]
Action = Annotated[str, Parameter(max_length=60, description="what was done, as `bot.set`")]
Since = Annotated[str, QueryParameter(name="from", description="the first day, of UTC")]
Until = Annotated[str, QueryParameter(name="to", description="the last day, of UTC")]


class AuditController(Controller):
    path, tags = "/v1/bots/{bot:str}/audit", ("access",)

    @get("/", guards=[requires("owner")], sync_to_thread=True)
    def list_audit(
        self,
        context: Context,
        bot: BotName,
        who: Who = "",
        action: Action = "",
        since: Since = "",
        until: Until = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[Entry]:
        """Every change of the bot and who made it, newest first."""
        wanted = asked(who, action, since, until)
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            return list_entries(connection, bot, wanted, cursor, limit)


def asked(who: str, action: str, since: str, until: str) -> Wanted:
    """The filters as they were typed; BadInput for what is no day."""
    first, last = _midnight(since, "from"), _midnight(until, "to")
    clean = {"who": who.strip(), "action": action.strip()}
    for name, value in clean.items():
        if "\0" in value:
            raise BadInput("a NUL character is in no name", path=name)
    return Wanted(**clean, since=first, until=last and last + timedelta(days=1))


def _midnight(text: str, path: str) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is no day", path=path, hint="YYYY-MM-DD") from error
    if not 1970 <= day.year <= 2999:  # others lie too near to where dates end
        raise BadInput(f"{text!r} is too far from today", path=path, hint="years 1970 to 2999")
    return datetime.combine(day, time(), UTC)


CONTROLLERS = (AuditController,)
