"""How commands print: a table for people, JSON for programs."""

from collections.abc import Sequence
from typing import TextIO

import click
import msgspec


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Left-aligned columns; None and "" print as a dash."""
    cells = [list(columns), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(cell: object) -> str:
    return "-" if cell in (None, "") else str(cell)


def as_json(value: object, file: TextIO | None = None) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode(), file=file)
