"""The intents whose shares moved most in a week, as a picture shows them."""

from datetime import date

import msgspec

from integrations.slack.blocks.elements import cut
from integrations.slack.drift_words import NAME, named
from service.windows.schemas import IntentMove, Mix

MOST = 8  # intents


class Row(msgspec.Struct, frozen=True):
    """Shares are rounded to what can be seen."""

    intent: str
    before: float
    after: float
    is_significant: bool


class Moved(msgspec.Struct, frozen=True):
    until: date
    rows: tuple[Row, ...]  # the farthest first; never empty


def farthest(found: Mix) -> Moved:
    by_distance = sorted(found.moves, key=lambda one: -abs(one.move.difference.estimate))
    return Moved(found.after.until.date(), tuple(map(_row, by_distance[:MOST])))


def _row(found: IntentMove) -> Row:
    before, after = round(found.move.before, 3), round(found.move.after, 3)
    return Row(named(found), before, after, found.is_significant)


def words(bot: str, found: Moved) -> str:
    r"""
    >>> rows = (Row("refund", 0.12, 0.183, True), Row("cancel_order", 0.1, 0.09, False))
    >>> print(words("shop", Moved(date(2026, 3, 2), rows)).replace(". ", ".\n"))
    What people asked of shop in the seven days up to 2026-03-02, against the seven before.
    Moved for certain: refund 12.0 % to 18.3 %.
    Perhaps by chance: cancel_order 10.0 % to 9.0 %.
    """
    span = f"What people asked of {bot} in the seven days up to {found.until}, against the seven before."
    parts = {"Moved for certain": _named(found, sure=True), "Perhaps by chance": _named(found, sure=False)}
    return " ".join([span, *(f"{what}: {intents}." for what, intents in parts.items() if intents)])


def _named(found: Moved, *, sure: bool) -> str:
    rows = (row for row in found.rows if row.is_significant is sure)
    return ", ".join(f"{cut(row.intent, NAME)} {100 * row.before:.1f} % to {100 * row.after:.1f} %" for row in rows)
