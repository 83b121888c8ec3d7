"""Who is signed in to the console, over HTTP."""

from litestar import Controller, delete, get

from service.access import sessions
from service.access.guard import requires
from service.access.roles import Principal
from service.access.sessions import Session
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import SessionNotFound
from service.page import Page


def end_session_of(context: Context, principal: Principal, bot: str, session_id: str) -> Session:
    """SessionNotFound also for another bot's."""
    with writing(context.engine) as connection:
        if sessions.get_session(connection, session_id).bot != bot:
            raise SessionNotFound(session_id)
        return sessions.end_session(connection, session_id, now(), who=principal.name)


class BotSessionsController(Controller):
    """Of one bot, for its owners."""

    path, tags, guards = "/v1/bots/{bot:str}/sessions", ("access",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_bot_sessions(self, context: Context, bot: BotName) -> Page[Session]:
        """Those that are open, newest first."""
        with reading(context.engine) as connection:
            return Page(sessions.list_sessions(connection, now(), bot))

    @delete("/{session_id:str}", status_code=200, sync_to_thread=True)
    def end_bot_session(self, context: Context, principal: Principal, bot: BotName, session_id: str) -> Session:
        """Sign its holder out."""
        return end_session_of(context, principal, bot, session_id)


class SessionsController(Controller):
    """Every session, for operators."""

    path, tags, guards = "/v1/sessions", ("access",), (requires("operator"),)

    @get("/", sync_to_thread=True)
    def list_sessions(self, context: Context) -> Page[Session]:
        """Those that are open, newest first."""
        with reading(context.engine) as connection:
            return Page(sessions.list_sessions(connection, now()))

    @delete("/{session_id:str}", status_code=200, sync_to_thread=True)
    def end_session(self, context: Context, principal: Principal, session_id: str) -> Session:
        """Sign its holder out."""
        with writing(context.engine) as connection:
            return sessions.end_session(connection, session_id, now(), who=principal.name)


CONTROLLERS = (BotSessionsController, SessionsController)
