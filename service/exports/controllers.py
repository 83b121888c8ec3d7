"""Exports and releases over HTTP.

Files are for owners: one holds every text and label at once, also of turns that reviewers are asked about blind. So
a version stays the same file whatever is asked, and no gap tells which turns are; no row tells what a classifier makes
of its turn. What was released, in numbers, any reader may know."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import BoundedSemaphore
from typing import Annotated

from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading
from service.errors import Unavailable
from service.exports import releases
from service.exports.changelog import changelog
from service.exports.opening import Wanted, begun, blocks, exporter_of, file_name, note_export, opened_export
from service.exports.schemas import Exporter, Format, LabelSet, NewRelease, Release, ReleaseView
from service.page import Page

AT_ONCE = 4  # files a process writes: each keeps one of its fifteen connections for as long as the client takes
MOST = 2**31 - 1  # of an Integer in SQL
SEATS = BoundedSemaphore(AT_ONCE)

FormatName = Annotated[str, Parameter(description="as `GET …/exports` names it")]
Set = Annotated[LabelSet, Parameter(description="every label, or those that move a model most")]
OfRelease = Annotated[int | None, Parameter(ge=1, le=MOST, description="the version; none: what is labelled now")]
Size = Annotated[int | None, Parameter(ge=1, le=MOST, description="labels of the minimal set; none: as few as do")]
Version = Annotated[int, Parameter(description="the release's version")]


class ExportsBusy(Unavailable):
    type = "exports-busy"

    def __init__(self) -> None:
        super().__init__(f"{AT_ONCE} exports are being written", hint="ask again after Retry-After")


class ExportsController(Controller):
    path, tags = "/v1/bots/{bot:str}/exports", ("exports",)

    @get("/", guards=[requires("reader")], sync_to_thread=False)
    def list_formats(self, state: State, bot: BotName) -> Page[Format]:
        """What labels can be exported as."""
        exporters: Mapping[str, Exporter] = state.exporters
        return Page([Format(name, one.suffix, one.media_type, one.has_test) for name, one in sorted(exporters.items())])

    @get("/{name:str}", guards=[requires("owner")], sync_to_thread=True)
    def export(
        self,
        context: Context,
        principal: Principal,
        state: State,
        bot: BotName,
        name: FormatName,
        set: Set = "full",  # named as it is asked for: an error names it too
        release: OfRelease = None,
        size: Size = None,
    ) -> Stream:
        """The labelled turns as a file. `Fencepost-Rows` says how many it holds, `Fencepost-Forgotten` how many rows of
        the release are missing, for their people were forgotten since."""
        exporter, wanted, at = exporter_of(state.exporters, name), Wanted(set, release, size), now()
        with ExitStack() as stack:
            stack.enter_context(_seat())
            opened = stack.enter_context(opened_export(context.engine, bot, exporter, wanted, at))
            note_export(context.engine, name, opened, at, principal.name)
            pieces = begun(_held_open(stack.pop_all(), exporter.write(opened.export)))
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(name, exporter, bot, wanted)}"',
            "Fencepost-Rows": str(opened.train + opened.test),
            "Fencepost-Forgotten": str(opened.forgotten),
        }
        return Stream(pieces, media_type=exporter.media_type, headers=headers)


@contextmanager
def _seat() -> Iterator[None]:
    if not SEATS.acquire(blocking=False):
        raise ExportsBusy
    try:
        yield
    finally:
        SEATS.release()


def _held_open(stack: ExitStack, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Closes what the pieces are read from after the last one, or when nobody wants more."""
    with stack:
        yield from blocks(pieces)


class ReleasesController(Controller):
    path, tags = "/v1/bots/{bot:str}/releases", ("exports",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_releases(self, context: Context, bot: BotName) -> Page[Release]:
        """Newest first."""
        with reading(context.engine) as connection:
            return Page(releases.list_releases(connection, bot))

    @post("/", guards=[requires("owner")], sync_to_thread=True)
    def create_release(self, context: Context, principal: Principal, bot: BotName, data: NewRelease) -> ReleaseView:
        """Keep what is labelled now as the next version; 409 when nothing changed since the last one."""
        made = releases.create(context.engine, bot, data.note, now(), who=principal.name)
        return ReleaseView(release=made, changelog=changelog(bot, made))

    @get("/{n:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_release(self, context: Context, bot: BotName, n: Version) -> ReleaseView:
        with reading(context.engine) as connection:
            found = releases.release(connection, bot, n)
        return ReleaseView(release=found, changelog=changelog(bot, found))


CONTROLLERS = (ExportsController, ReleasesController)
