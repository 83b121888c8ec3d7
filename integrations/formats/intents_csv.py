"""Intents from and to a table: columns `name` (or `intent`), `example` (or `text`), `description`, `entities` (JSON, as
in our JSON Lines), `lang` and `split`, in any order.

A header names the columns. One row is one example; a row without one only names its intent. What separates the cells,
comma, semicolon or tab, is told from the header. What is written says also where each row comes from.
Cells are what users said: a spreadsheet takes one that begins with `=` for a formula.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from integrations.formats import rows
from service.errors import BadInput
from service.exports.schemas import Export, ExportRow, Provenance
from service.intents.parsing import TEST, parse_jsonl
from service.intents.schemas import NONE, ParsedExample, ParsedIntent
from service.turns.schemas import Entity

COLUMNS: Mapping[str, str] = {
    "name": "name",
    "intent": "name",
    "example": "example",
    "text": "example",
    "description": "description",
    "entities": "entities",
    "lang": "lang",
    "split": "split",
}
PROVENANCE = Provenance.__struct_fields__
WRITTEN = ("intent", "text", "description", "entities", "lang", "split", *PROVENANCE)


def write(export: Export) -> Iterator[bytes]:
    yield _line(WRITTEN)
    for intent in export.intents:
        yield _line((intent.name, "", intent.description))
    for row in export.rows:
        yield _line(_cells(row))


def _cells(row: ExportRow) -> list[object]:
    fields = rows.fields(row)
    entities = rows.encode(fields["entities"]).decode() if "entities" in fields else ""
    provenance = msgspec.to_builtins(row.provenance)
    return [row.intent or NONE, row.text, "", entities, row.lang, row.split, *(provenance[name] for name in PROVENANCE)]


def _line(cells: Sequence[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow([*cells, *[""] * (len(WRITTEN) - len(cells))])
    return line.getvalue().encode()


def parse_csv(data: bytes) -> list[ParsedIntent]:
    """Pure; BadInput with the line as path."""
    text = _decode(data)
    separator = max(",;\t", key=text.partition("\n")[0].count)
    # Without newline="" a quoted cell would lose its line breaks.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = _columns(next(reader, []))
        return [_row(columns, row, reader.line_num) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        hint = 'double the quotes inside a quoted cell: "say ""hi"""'
        raise BadInput(f"not CSV: {error}", path=f"line {reader.line_num}", hint=hint) from error


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput("this line is not UTF-8", path=f"line {line}", hint="save the file as CSV UTF-8") from error


def _columns(header: list[str]) -> list[str]:
    """What each column means; "" for one we do not know."""
    columns = [COLUMNS.get(cell.strip().lower(), "") for cell in header]
    for needed in ("name", "example"):
        if columns.count(needed) != 1:
            found = ", ".join(header) or "nothing"
            raise BadInput(
                f"the header has no single column {needed!r}: {found}", path="line 1", hint="name,description,example"
            )
    return columns


def _row(columns: list[str], row: list[str], line: int) -> ParsedIntent:
    where = f"line {line}"
    if len(row) > len(columns):
        raise BadInput(
            f"{len(row)} cells under {len(columns)} columns", path=where, hint="put a cell that has a comma in quotes"
        )
    cells = dict(zip(columns, row, strict=False))
    examples = (_example(cells, where),) if cells.get("example", "").strip() else ()
    return ParsedIntent(cells.get("name", "").strip(), where, cells.get("description", "").strip(), examples)


def _example(cells: Mapping[str, str], where: str) -> ParsedExample:
    text, said = cells["example"], cells.get("entities", "")
    entities = _entities(text, said, where) if said.strip() else ()
    return ParsedExample(text, where, entities, cells.get("lang", ""), cells.get("split", "").strip() == TEST)


def _entities(text: str, cell: str, where: str) -> tuple[Entity, ...]:
    try:
        line = rows.encode({"text": text, "intent": NONE, "entities": msgspec.json.decode(cell)})
        return parse_jsonl(line)[0].examples[0].entities
    except (BadInput, msgspec.DecodeError, RecursionError) as error:
        found = error if isinstance(error, BadInput) else BadInput("this is not JSON")
        path = f"{where}, {found.path.partition(', ')[2] or 'entities'}"
        raise BadInput(found.detail, path=path, hint='write [{"type": "city", "start": 3, "end": 7}]') from error
