"""Intents from a table: columns `name` (or `intent`), `example` (or `text`) and `description`, in any order.

A header names the columns. One row is one example; a row without one only names its intent. What separates the cells,
comma, semicolon or tab, is told from the header.
"""

import csv
import io
from collections.abc import Mapping

from service.errors import BadInput
from service.intents.schemas import ParsedExample, ParsedIntent

COLUMNS: Mapping[str, str] = {
    "name": "name",
    "intent": "name",
    "example": "example",
    "text": "example",
    "description": "description",
}


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
    text = cells.get("example", "")
    examples = (ParsedExample(text, where),) if text.strip() else ()
    return ParsedIntent(cells.get("name", "").strip(), where, cells.get("description", "").strip(), examples)
