"""The trace's middle: how a turn was ranked and why; who was asked about it, what they said, what it came to."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from service import tables
from service.learning.ranking import recompute
from service.reviews import listing
from service.reviews.listing import Names
from service.reviews.schemas import LabelRow, VoteRow
from service.reviews.trace_steps import Event, Step, given

CANDIDATE, RANKING, ITEM = tables.candidate, tables.ranking, tables.ranking_item
MESSAGE, POST = tables.message, tables.post
RANKINGS = 10  # the newest
PURPOSES = {"rank": "to learn from", "audit": "for the audit slice", "flip": "for a gate"}


def ranking(connection: sa.Connection, turn_id: int) -> Step:
    candidate = connection.execute(sa.select(CANDIDATE).where(CANDIDATE.c.turn_id == turn_id)).one_or_none()
    if candidate is None:
        return Step(step="ranking", missing="never a candidate: no mark asks for it")
    looked = tuple(_ranked(row) for row in _rankings(connection, turn_id))
    missing = "" if looked else "on no ranking's shortlist so far"
    return Step(step="ranking", events=(_candidate(candidate), *looked), missing=missing)


def _candidate(row: sa.Row[Any]) -> Event:
    what = "folded: the card of another turn stands for it" if row.folded_into else f"a candidate, {row.status}"
    return Event(
        what=what,
        at=row.created_at,
        numbers={name: row._mapping[name] for name in ("uncertainty", "structure", "pressure", "impact")},
        origin="candidate",
        turn=row.folded_into,
        classifier=row.n,
    )


def _rankings(connection: sa.Connection, turn_id: int) -> Sequence[sa.Row[Any]]:
    columns = (RANKING, ITEM.c.position, ITEM.c.picked, ITEM.c.priority, ITEM.c.factors)
    query = sa.select(*columns).join(RANKING, RANKING.c.id == ITEM.c.ranking_id).where(ITEM.c.turn_id == turn_id)
    return connection.execute(query.order_by(ITEM.c.ranking_id.desc()).limit(RANKINGS)).all()[::-1]


def _ranked(row: sa.Row[Any]) -> Event:
    """The factors, and the priority that they come to now beside the one that was stored."""
    chosen = "picked" if row.picked else "not picked"
    return Event(
        what=f"place {row.position + 1} of {row.candidates} candidates, {chosen}",
        at=row.at,
        names={"strategy": row.strategy},
        numbers={"priority": row.priority, "recomputed": recompute(row.factors, row.weights)}
        | row.factors
        | {f"weight_of_{name}": value for name, value in row.weights.items()},
        origin=f"ranking {row.id}",
        classifier=row.n,
    )


def cards(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Step:
    posts = _posts(connection, [row.id for row in rows])
    events = tuple(event for row in rows for event in (_card(row), *posts.get(row.id, ())))
    return Step(step="card", events=events, missing="" if events else "never asked")


def _card(row: sa.Row[Any]) -> Event:
    """With what it was made to want."""
    closed = f" at {row.resolved_at:%Y-%m-%d %H:%M} UTC" if row.resolved_at else ""
    return Event(
        what=f"a {'blind ' if row.is_blind else ''}card {PURPOSES[row.purpose]}, {row.status}{closed}",
        at=row.created_at,
        names={"policy": row.policy},
        numbers={"priority": row.priority, "votes_wanted": row.overlap},
        origin=f"card {row.id}" + (f" of ranking {row.ranking_id}" if row.ranking_id else ""),
        classifier=row.challenger or None,
    )


def _posts(connection: sa.Connection, card_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
    query = sa.select(POST.c.card_id, MESSAGE).join(MESSAGE, MESSAGE.c.id == POST.c.message_id)
    return {
        row.card_id: [
            Event(
                what=f"a Slack message, {row.status}",
                at=row.first_at,
                names=given(channel=row.channel, ts=row.ts),
                origin=f"message {row.id}",
            )
        ]
        for row in connection.execute(query.where(POST.c.card_id.in_(card_ids)))
    }


def votes(connection: sa.Connection, card_ids: Sequence[str], names: Names) -> Step:
    events = tuple(_vote(row) for row in listing.votes_on(connection, card_ids, names))
    return Step(step="votes", events=events, missing="" if events else "nobody answered")


def _vote(row: VoteRow) -> Event:
    return Event(
        what=f"{row.reviewer}: {_answer(row)}",
        at=row.at,
        names=given(
            reviewer=row.reviewer, answer=row.answer, intent=row.intent, second=row.second, proposed=row.proposed,
            why=row.why, surface=row.surface,
        ),
        origin=f"vote {row.id} on card {row.card}",
    )  # fmt: skip


def _answer(row: VoteRow | LabelRow) -> str:
    named = " and ".join(filter(None, (row.intent, row.second)))
    return named or {"none": "none of these", "undo": "taken back"}.get(row.answer, row.answer)


def labels(rows: Sequence[LabelRow]) -> Step:
    return Step(step="label", events=tuple(map(_label, rows)), missing="" if rows else "never labelled")


def _label(row: LabelRow) -> Event:
    by = f" by {row.reviewer}" if row.reviewer else ""
    return Event(
        what=f"{_answer(row)}, for {row.use}, from {row.origin}{by}",
        at=row.at,
        names=given(
            use=row.use, answer=row.answer, intent=row.intent, second=row.second, origin=row.origin,
            corrected_because=row.correction,
        ),
        numbers={"weight": row.weight},
        origin=f"label {row.id}" + (f" of card {row.card}" if row.card else ""),
    )  # fmt: skip
