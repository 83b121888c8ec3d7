"""The sign-in pages: plain HTML that needs no script, and no file but itself."""

import secrets
from importlib import resources

from jinja2 import Environment
from litestar import MediaType, Response

from service.access.sessions import SignIn
from service.errors import FencepostError

_template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    resources.files("service.access").joinpath("sign_in.html").read_text("utf-8")
)


def sign_in(link: SignIn, typed: str = "", error: FencepostError | None = None) -> Response[str]:
    """The form; with what was typed and what is wrong with it, at a second try."""
    return _page("link", 400 if error else 200, link=link, typed=typed, error=error)


def by_key(to: str, error: FencepostError | None = None) -> Response[str]:
    """The form for a key. What was typed is not given back: it is a secret."""
    return _page("key", error.status if error else 200, to=to, error=error)


def refused(error: FencepostError) -> Response[str]:
    return _page("spent", error.status)


def signed_out() -> Response[str]:
    return _page("signed_out", 200)


def _page(shows: str, status: int, **fields: object) -> Response[str]:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )
    return Response(
        _template.render(nonce=nonce, shows=shows, **fields),
        status_code=status,
        media_type=MediaType.HTML,
        # The address holds the token: no cache keeps it, no other site is told it.
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"},
    )
