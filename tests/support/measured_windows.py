"""Windows that were measured, an alert and a cluster that grows, for the pages that show them."""

from collections.abc import Mapping
from datetime import date, timedelta

from service import database
from service.bots.store import update_bot
from service.clock import now
from service.context import Context
from service.proposals.schemas import Growth, NewProposal
from service.proposals.store import replace_growing
from service.reviews.assessments import Assessment, store_assessments
from service.windows import alerts, ledger
from service.windows.schemas import Found, Measured
from tests.support.shop import AT, BOT, add_turn

DAY = timedelta(days=1)
QUIET = {"psi": (0.15, 0.14), "out_of_scope": (0.06, 0.06), "embeddings": (0.5, 0.5)}
MOVED = QUIET | {"psi": (0.31, 0.14), "out_of_scope": (0.12, 0.06)}


def measure(
    context: Context,
    day: date,
    values: Mapping[str, tuple[float, float]],
    *alarms: str,
    turns: tuple[int, ...] = (),
    of: int | None = None,
) -> None:
    """A window of 500 turns: each statistic's value and what chance makes of it, and which of them are alarms; with
    `of`, this intent's share of them is one, too."""
    chances = {name: (1e-6, 1e-5) if name in alarms else (0.4, 1.0) for name in values}
    found = [Found(name, None, *values[name], *chances[name], name in alarms) for name in values]
    if of is not None:
        found.append(Found("intent", of, 0.2, 0.1, 1e-6, 1e-5, True))
    window = Measured(
        day=day,
        n=1,
        since=day,
        reference_since=day - 28 * DAY,
        turns=500,
        reference_turns=4_000,
        is_alarm=bool(alarms),
        findings=tuple(found),
        likeliest=turns,
    )
    with database.writing(context.engine) as connection:
        ledger.keep(connection, BOT, window, now())
        alerts.follow(connection, BOT, window, now())


def drifted(context: Context, today: date) -> list[int]:
    """The mix moved three days ago, the turns out of scope yesterday; the turns that show it."""
    turns = tuple(add_turn(context.engine, text) for text in ("gift wrap please", "wrap it as a gift"))
    measure(context, today - 4 * DAY, QUIET)
    measure(context, today - 3 * DAY, MOVED, "psi")
    measure(context, today - 2 * DAY, MOVED, "psi")
    measure(context, today - DAY, MOVED, "psi", "out_of_scope", turns=turns)
    return list(turns)


def grow(context: Context, turn_ids: list[int]) -> int:
    """A cluster that grows, of turns that a classifier saw; the proposal's id."""
    new = NewProposal(
        turn_ids=tuple(turn_ids),
        middle=b"",
        turns=40,
        tightness=0.8,
        phrases=("gift wrap",),
        growth=Growth(0.002, 0.031),
    )
    seen = Assessment(1, 1, None, 0.4, 0.3, 0.2, 0.7)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, weekly_budget=100)
        store_assessments(connection, BOT, 1, dict.fromkeys(turn_ids, seen), AT)
        return replace_growing(connection, BOT, 1, "e", [new], {}, AT)[0]
