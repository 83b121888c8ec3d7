"""An export's rows as its writers take them: one by one, intent by intent, those that train alone."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec

from service.exports.schemas import Export, ExportIntent, ExportRow
from service.intents.schemas import NONE

OUT_OF_SCOPE = ExportIntent(name=NONE, description="")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")

encode = msgspec.json.Encoder().encode


def about(export: Export) -> str:
    """What a file says of itself, in a line."""
    release = "" if export.release is None else f", release {export.release}"
    return f"Exported by Fencepost on {export.at:%Y-%m-%d}: bot {export.bot}{release}, the {export.label_set} set"


def by_intent(export: Export) -> Iterator[tuple[ExportIntent, Iterator[ExportRow]]]:
    """Each intent with its rows that train, then OUT_OF_SCOPE where it has any. Rows are read when asked for, and those
    of one intent before those of the next."""
    groups = groupby(training(export.rows), key=lambda row: row.intent or NONE)
    name, rows = next(groups, (None, iter(())))
    for intent in (*export.intents, OUT_OF_SCOPE):
        if intent.name == name:
            yield intent, rows
            name, rows = next(groups, (None, iter(())))
        elif intent is not OUT_OF_SCOPE:
            yield intent, iter(())
    if name is not None:
        raise ValueError(f"rows of the intent {name!r} are not where the export's intents have it")


def training(rows: Iterable[ExportRow]) -> Iterator[ExportRow]:
    return (row for row in rows if row.split == "train")


def line(row: ExportRow) -> bytes:
    """A row as the project's own JSON Lines have it."""
    return encode(fields(row)) + b"\n"


def fields(row: ExportRow) -> dict[str, Any]:
    """Without `entities` where nobody said anything of them."""
    labelled = {} if row.entities is None else {"entities": [_span(row.text, entity) for entity in row.entities]}
    here = {"text": row.text, "intent": row.intent or NONE, **labelled, "lang": row.lang}
    return {**here, "split": row.split, "provenance": row.provenance}


def _span(text: str, entity: Any) -> dict[str, Any]:
    span = {"type": entity.type, "start": entity.start, "end": entity.end}
    return {**span, "value": text[entity.start : entity.end]}


def language(said: str, default: str) -> str:
    """A language where it looks like one: platforms say what they like, and here it becomes a file's name."""
    return said if LANGUAGE.fullmatch(said) else default
