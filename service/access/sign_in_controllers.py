"""The pages that open and close a console session."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access import pages, sessions
from service.access.guard import COOKIE, is_same_origin, requires
from service.access.returning import own_path
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import BadInput, Forbidden, SignInSpent, Unauthorized


class KeyForm(msgspec.Struct, frozen=True, kw_only=True):
    """`to`: where the person wanted to go."""

    key: str = ""
    to: str = "/"


class SignInForm(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


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


CONTROLLERS = (SignInController,)
