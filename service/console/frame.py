"""What every page of the console is made with: its template, its files, and what becomes of errors."""

from collections.abc import Collection
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from service import problems
from service.access.returning import sign_in_address
from service.access.roles import Principal
from service.console.figures import svg
from service.console.navigation import tabs
from service.errors import FencepostError, NotFound, Unauthorized
from service.reviews.reasons import MARKS

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
YEAR_S = 31_536_000


@cache
def asset(name: str, folder: Path = STATIC, path: str = "/static") -> str:
    """The file's address; it changes with the content, so a browser may keep what it has."""
    return f"{path}/{name}?v={sha256((folder / name).read_bytes()).hexdigest()[:12]}"


def files(folder: Path, path: str = "/static") -> Router:
    """Serves a folder's files, which a browser may keep: see `asset`."""
    keep = CacheControlHeader(max_age=YEAR_S, immutable=True)
    return create_static_files_router(path, [folder], cache_control=keep, include_in_schema=False)


def sentences(error: FencepostError) -> str:
    """The fault and its mend, as pages say them.

    >>> sentences(Unauthorized("this key is unknown", hint="ask an owner for one"))
    'This key is unknown. Ask an owner for one.'
    """
    return " ".join(f"{said[0].upper()}{said[1:]}." for said in (error.detail, error.hint) if said)


def at_field(error: Exception, fields: Collection[str]) -> FencepostError:
    """What is wrong with one of these fields of a form; anything else is raised again."""
    known = problems.as_domain(error)
    if known is None or known.path not in fields:
        raise error
    return known


def templates(*folders: Path) -> Environment:
    """The console's, and those of the folders, which may extend `base.html`."""
    made = Environment(
        loader=FileSystemLoader([*folders, FOLDER / "templates"]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals |= {"asset": asset, "marks": MARKS, "sentences": sentences, "svg": svg}
    return made


_templates = templates()


def page(template: str, *, status: int = 200, found_in: Environment = _templates, **fields: object) -> Response[str]:
    return Response(found_in.get_template(template).render(**fields), status_code=status, media_type=MediaType.HTML)


def bot_page(
    template: str, principal: Principal, bot: str, here: str, *, status: int = 200, **fields: Any
) -> Response[str]:
    """A page about a bot, whose template extends `bot.html`; `here`: the tab it stands under."""
    shown = tabs(principal, bot, here)
    return page(template, status=status, principal=principal, bot=bot, tabs=shown, **fields)


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Errors of pages are pages; what nobody foresaw is logged where all the others are. Who is not signed in goes to
    sign in, and comes back."""
    known = problems.as_domain(error)
    if known is None:
        return problems.answer(request, error)
    if isinstance(known, Unauthorized) and request.method in ("GET", "HEAD") and "authorization" not in request.headers:
        return Redirect(sign_in_address(request.url.path, request.url.query), status_code=303)
    return page("refused.html", status=known.status, error=known)


def astray(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Nothing stands at the address: a page for whoever reads pages, a problem for a program."""
    if request.accept.best_match(["application/json", "text/html"]) != "text/html":
        return problems.answer(request, error)
    return refused(request, NotFound("there is no page at this address", hint="it may have been mistyped"))
