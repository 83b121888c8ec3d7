"""`/metrics`, for Prometheus."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

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
    if OPENMETRICS in request.headers.get("accept", ""):
        return Response(openmetrics.generate_latest(found), media_type=openmetrics.CONTENT_TYPE_LATEST)
    return Response(generate_latest(found), media_type=CONTENT_TYPE_PLAIN_0_0_4)


CONTROLLERS = (show_metrics,)
