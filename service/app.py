"""`create_app`: composition only. The edge is put together here from the features' controllers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from importlib.metadata import version

from litestar import Litestar
from litestar.concurrency import get_asyncio_executor, set_asyncio_executor
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ControllerRouterHandler, Message, Scope

from service import health, problems
from service.access import controllers as access
from service.access import log_controllers as audit_log
from service.access import people_controllers as people
from service.access import session_controllers as sessions
from service.access import sign_in_controllers as sign_in
from service.access.guard import provide_principal
from service.bots import controllers as bots
from service.bots import source_controllers as sources_of_bots
from service.bots.sources import Formats
from service.boundary import controllers as boundary
from service.classifiers import controllers as classifiers
from service.console import pages
from service.console.frame import astray
from service.context import Context, opened
from service.events import controllers as events
from service.exports import controllers as exports
from service.exports.schemas import Exporter
from service.intents import controllers as intents
from service.metrics import controllers as metrics
from service.metrics.scraper import Scraper
from service.predict import controllers as predict
from service.predict.rules import Predictors
from service.proposals import controllers as proposals
from service.reviews import controllers as reviews
from service.settings import Settings
from service.turns import controllers as turns
from service.turns import source_controllers as activity
from service.turns.intake import BODY_LIMIT, Intake
from service.turns.parsing import Adapter, Platform, Verifier
from service.weak import controllers as weak
from service.windows import controllers as windows

# Litestar's own pool has four threads more than the machine has cores: too few for handlers that wait for SQL.
THREADS = 40
FEATURES = (
    health,
    metrics,
    access,
    sign_in,
    sessions,
    people,
    audit_log,
    bots,
    sources_of_bots,
    intents,
    turns,
    activity,
    reviews,
    classifiers,
    predict,
    proposals,
    weak,
    windows,
    boundary,
    exports,
    events,
    pages,
)

# Pages hold no inline script or style; a form may only go back to where it came from, and nobody may frame a page.
SECURITY_POLICY = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "img-src": "'self' data:",
    "script-src": "'self'",
    "style-src": "'self'",
}
SECURITY_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in SECURITY_POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send `Origin: null` with our own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(
    settings: Settings,
    *,
    sources: Mapping[str, Platform],
    schemes: Mapping[str, Verifier],
    exporters: Mapping[str, Exporter] | None = None,
    mounts: Sequence[ControllerRouterHandler] = (),
) -> Litestar:
    """The HTTP edge: platforms by format, signature schemes and exporters by name, integrations' own handlers."""
    if get_asyncio_executor() is None:
        set_asyncio_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="handler"))
    return Litestar(
        [*(handler for feature in FEATURES for handler in feature.CONTROLLERS), *mounts],
        dependencies={
            "context": Provide(provide_context, sync_to_thread=False),
            "formats": Provide(provide_formats, sync_to_thread=False),
            "intake": Provide(provide_intake, sync_to_thread=False),
            "predictors": Provide(provide_predictors, sync_to_thread=False),
            "principal": Provide(provide_principal, sync_to_thread=False),
            "scraper": Provide(provide_scraper, sync_to_thread=False),
        },
        state=State({"exporters": dict(exporters or {}), "formats": Formats(sources, tuple(schemes))}),
        lifespan=[lifespan(settings, {name: platform.parse for name, platform in sources.items()}, schemes)],
        exception_handlers={Exception: problems.answer, HTTPException: problems.answer, NotFoundException: astray},
        before_send=[add_security_headers],
        request_max_body_size=BODY_LIMIT,
        openapi_config=openapi(),
        logging_config=None,  # service/logs.py
    )


def lifespan(settings: Settings, sources: Mapping[str, Adapter], schemes: Mapping[str, Verifier]) -> Lifespan:
    """One Context for the life of the app."""

    @asynccontextmanager
    async def alive(app: Litestar) -> AsyncIterator[None]:
        with (
            opened(settings) as context,
            closing(Predictors(context)) as predictors,
            closing(Scraper(context)) as scraper,
        ):
            app.state.context = context
            app.state.intake = Intake(context, sources, schemes)
            app.state.predictors = predictors
            app.state.scraper = scraper
            yield

    return alive


def provide_context(state: State) -> Context:
    context: Context = state.context
    return context


def provide_formats(state: State) -> Formats:
    formats: Formats = state.formats
    return formats


def provide_intake(state: State) -> Intake:
    intake: Intake = state.intake
    return intake


def provide_predictors(state: State) -> Predictors:
    predictors: Predictors = state.predictors
    return predictors


def provide_scraper(state: State) -> Scraper:
    scraper: Scraper = state.scraper
    return scraper


async def add_security_headers(message: Message, _scope: Scope) -> None:
    """On every answer, errors included; a handler that sets one of them itself is left alone."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


def openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        "Fencepost", version("fencepost"), path="/v1", render_plugins=[JsonRenderPlugin(path="openapi.json")]
    )
