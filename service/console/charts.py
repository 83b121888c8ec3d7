"""The pages' charts by API, as pictures and as what they are drawn from."""

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
from litestar import Controller, Response, get
from litestar.params import Parameter

from service.access.guard import requires
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.clock import now
from service.console import boundary, drift, figures, overview
from service.console.figures import Figure, Found
from service.context import Context
from service.database import reading
from service.errors import ChartNotFound

CHARTS: Mapping[str, Found] = {**overview.CHARTS, **drift.CHARTS, **boundary.CHARTS}

# how a chart's address ends, its media type, and what makes it
FORMATS: Mapping[str, tuple[str, Callable[[Figure], bytes]]] = {
    "png": ("image/png", figures.png),
    "svg": ("image/svg+xml", lambda figure: figures.svg(figure).encode()),
    "json": ("application/json", lambda figure: msgspec.json.encode(figures.spec(figure))),
}

File = Annotated[str, Parameter(description=f"a chart's name and .{', .'.join(FORMATS)}: {', '.join(CHARTS)}")]


class ChartsController(Controller):
    path, tags = "/v1/bots/{bot:str}/charts", ("charts",)

    @get("/{file:str}", guards=[requires("reader")], sync_to_thread=True)
    def show_chart(self, context: Context, bot: BotName, file: File) -> Response[bytes]:
        """A chart of the console: a picture, or its Vega-Lite specification with the data."""
        name, _, ending = file.rpartition(".")
        if name not in CHARTS or ending not in FORMATS:
            raise ChartNotFound(file, [f"{one}.{end}" for one in CHARTS for end in FORMATS])
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            found = CHARTS[name](connection, bot, now())
        if found is None:
            raise ChartNotFound(file)
        media_type, made = FORMATS[ending]
        return Response(made(found), media_type=media_type)
