"""An export, opened: its rows stand in one snapshot of the database from the first to the last, and whoever reads them
holds up no writer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import sqlalchemy as sa

from service.access import audit
from service.bots.store import get_bot
from service.database import snapshot, writing
from service.errors import BadInput, NotFound
from service.exports import releases
from service.exports.held import Labelled, NothingLabelled, held_now, with_text
from service.exports.minimal import minimal
from service.exports.releases import Kept
from service.exports.rows import read_rows
from service.exports.schemas import Export, Exporter, ExportIntent, LabelSet

BLOCK = 1 << 16  # bytes of a piece on its way out: a format yields lines


class UnknownFormat(NotFound):
    type = "format-not-found"

    def __init__(self, name: str, known: Mapping[str, Exporter]) -> None:
        super().__init__(f"there is no export format {name!r}", hint=f"one of {', '.join(sorted(known))}")


class Wanted(NamedTuple):
    """What of a bot's labels is asked for. `release` None: what is labelled now; `size`: of a minimal set, which is
    chosen by the classifier in force today, also from a release."""

    label_set: LabelSet = "full"
    release: int | None = None
    size: int | None = None


class Opened(NamedTuple):
    """An export and how many rows it will have; `forgotten`: rows of the release whose people were forgotten since."""

    export: Export
    train: int
    test: int
    forgotten: int


def exporter_of(exporters: Mapping[str, Exporter], name: str) -> Exporter:
    try:
        return exporters[name]
    except KeyError as error:
        raise UnknownFormat(name, exporters) from error


@contextmanager
def opened_export(engine: sa.Engine, bot: str, exporter: Exporter, wanted: Wanted, now: datetime) -> Iterator[Opened]:
    """BotNotFound, ReleaseNotFound, NothingLabelled, NoVectors; BadInput for a size without a minimal set. Rows can be
    read as long as it is open."""
    if wanted.size is not None and wanted.label_set != "minimal":
        raise BadInput("a size is of the minimal set", path="size", hint="ask for set minimal, or leave the size out")
    with snapshot(engine) as connection:
        get_bot(connection, bot)
        yield _open(connection, bot, exporter, wanted, now)


def _open(connection: sa.Connection, bot: str, exporter: Exporter, wanted: Wanted, now: datetime) -> Opened:
    if wanted.release is None:
        kept, until = Kept(held_now(connection, bot), now), None
        there = kept.held.labelled
    else:
        kept = releases.kept(connection, bot, wanted.release)
        there, until = with_text(connection, kept.held.labelled), kept.at
    held = kept.held._replace(labelled=_chosen(connection, bot, there, exporter, wanted))
    intents = [ExportIntent(name=intent.name, description=intent.description) for intent in held.live]
    rows = read_rows(connection, held, until)
    test = int(held.labelled.is_test.sum())
    export = Export(bot, kept.at, wanted.label_set, wanted.release, intents, rows)
    return Opened(export, held.labelled.size - test, test, kept.held.labelled.size - there.size)


def _chosen(connection: sa.Connection, bot: str, labelled: Labelled, exporter: Exporter, wanted: Wanted) -> Labelled:
    usable = labelled if exporter.has_test else labelled.take(~labelled.is_test)
    if not usable.size:
        raise NothingLabelled(bot)
    return minimal(connection, bot, usable, wanted.size) if wanted.label_set == "minimal" else usable


def note_export(engine: sa.Engine, name: str, opened: Opened, now: datetime, who: str) -> None:
    """In the audit log, before the first byte: who stops half-way has half of the texts."""
    export = opened.export
    told = {"format": name, "set": export.label_set, "release": export.release, "rows": opened.train + opened.test}
    with writing(engine) as connection:
        audit.record(connection, export.bot, "export", now, who, **told)


def file_name(name: str, exporter: Exporter, bot: str, wanted: Wanted) -> str:
    """
    >>> from service.exports.schemas import Exporter
    >>> file_name("rasa", Exporter(".yml", "text/yaml", False, iter), "shop", Wanted("minimal", 3))
    'shop-release-3-minimal-rasa.yml'
    """
    release = "" if wanted.release is None else f"-release-{wanted.release}"
    return f"{bot}{release}{'-minimal' if wanted.label_set == 'minimal' else ''}-{name}{exporter.suffix}"


def blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces.

    >>> [len(block) for block in blocks(iter([b"x" * 40_000] * 4))]
    [80000, 80000]
    """
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first one made already: what fails by then can still be answered for."""
    return chain([next(pieces, b"")], pieces)
