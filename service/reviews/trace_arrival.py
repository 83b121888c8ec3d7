"""The trace's beginning: how a turn came in, what was redacted, what users reported, what it was marked for."""

from typing import Any

import sqlalchemy as sa

from service import tables
from service.reviews.reasons import MARKS
from service.reviews.trace_steps import Event, Step, given, measured
from service.reviews.turn_view import reports

NOT_SAID = {"import": "imported as an intent's example", "gold": "imported into the gold set"}
# Also what no reviewer is told.
WHY = {**MARKS, "audit": "drawn at random for the audit slice", "flip": "champion and challenger disagree"}
MARK = tables.mark


def delivery(turn: sa.Row[Any], *, is_withheld: bool) -> Step:
    """`turn` with its content."""
    came = Event(
        what=NOT_SAID.get(turn.source, f"came from source {turn.source}"),
        at=turn.received_at,
        names=given(
            said_at=f"{turn.at:%Y-%m-%d %H:%M:%S} UTC",
            external_id=turn.external_id,
            conversation=turn.conversation_id,
            channel=turn.channel,
            language=turn.lang,
            bot_version=turn.bot_version,
        ),
        origin=f"delivery {turn.delivery_id}" if turn.delivery_id else "turn",
    )
    return Step(step="delivery", events=(came,) if is_withheld else (came, _answered(turn)))


def _answered(turn: sa.Row[Any]) -> Event:
    """What the platform made of it."""
    took = f"the bot took it for {turn.bot_intent}" if turn.bot_intent else "the bot did not say what it took it for"
    return Event(
        what="the bot did not understand it" if turn.is_fallback else took,
        at=turn.received_at,
        names=given(intent=turn.bot_intent),
        numbers=measured(score=turn.bot_score),
        origin="turn",
    )


def redaction(turn: sa.Row[Any]) -> Step:
    if turn.text is None:
        on = f" on {turn.forgotten_at:%Y-%m-%d}" if turn.forgotten_at else ""
        return Step(step="redaction", missing=f"forgotten{on}: its text, vector and person are gone")
    events = tuple(_redacted(one, turn) for one in turn.redactions or ())
    return Step(step="redaction", events=events, missing="" if events else "nothing in it was personal")


def _redacted(one: list[Any], turn: sa.Row[Any]) -> Event:
    start, end, new_start, new_end, kind = one
    return Event(
        what=f"{kind} became {turn.text[new_start:new_end]}",
        at=turn.received_at,
        numbers={"start": start, "end": end, "new_start": new_start, "new_end": new_end},
        origin="turn_content",
    )


def reported(connection: sa.Connection, turn: sa.Row[Any]) -> Step:
    events = tuple(
        Event(
            what=row.kind.replace("_", " ") + ("" if row.is_explicit else ", inferred"),
            at=row.at,
            names=given(intent=row.intent, comment=row.comment),
            origin="report",
        )
        for row in reports(connection, turn)
    )
    return Step(step="reports", events=events, missing="" if events else "nobody reported it")


def marks(connection: sa.Connection, turn_id: int) -> Step:
    rows = connection.execute(sa.select(MARK).where(MARK.c.turn_id == turn_id).order_by(MARK.c.at, MARK.c.kind))
    events = tuple(
        Event(
            what=WHY.get(row.kind, row.kind),
            at=row.at,
            names={"mark": row.kind},
            numbers=measured(value=row.value, rate=row.rate),
            origin=f"mark {row.id}",
            classifier=row.n,
        )
        for row in rows
    )
    return Step(step="marks", events=events, missing="" if events else "nothing made it interesting")
