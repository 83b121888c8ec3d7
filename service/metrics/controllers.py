"""`/metrics`, for Prometheus."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client.exposition import choose_encoder

from service.access.guard import requires
from service.access.roles import Principal
from service.metrics.scraper import Scraper

OPENMETRICS = "application/openmetrics-text"


@get("/metrics", guards=[requires("reader")], operation_id="Metrics", tags=["health"], sync_to_thread=True)
def show_metrics(
    request: Request[Any, Any, Any], principal: NamedDependency[Principal], scraper: NamedDependency[Scraper]
) -> Response[bytes]:
    """Numbers for Prometheus: of one bot with a key of that bot, of all and of the installation with a key of every
    bot. In OpenMetrics where the scraper asks for it."""
    found = scraper.expose(principal.bot)
    # Of the header only this: the library's own reading of it stumbles over versions that are no numbers.
    encode, content_type = choose_encoder(OPENMETRICS if OPENMETRICS in request.headers.get("accept", "") else "")
    return Response(encode(found), headers={"content-type": content_type})


CONTROLLERS = (show_metrics,)
