"""Measured windows as one flat table, for tools that read tables: a row a statistic."""

import csv
import io
from collections.abc import Iterable, Iterator

from service.windows.schemas import DriftWindow, Finding

OF_WINDOW = ("day", "since", "reference_since", "n", "turns", "reference_turns", "reason")
OF_FINDING = Finding.__struct_fields__


def to_csv(windows: Iterable[DriftWindow]) -> str:
    """With a header. A window that was not measured has one row, which says why."""
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow((*OF_WINDOW, *OF_FINDING))
    rows.writerows(row for window in windows for row in _rows(window))
    return table.getvalue()


def _rows(window: DriftWindow) -> Iterator[tuple[object, ...]]:
    same = tuple(getattr(window, name) for name in OF_WINDOW)
    if not window.findings:
        yield (*same, *("" for _ in OF_FINDING))
    for one in window.findings:
        yield (*same, *(_plain(getattr(one, name)) for name in OF_FINDING))


def _plain(value: object) -> object:
    """Truth as JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else value
