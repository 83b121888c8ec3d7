"""Proposals in SQL. They hold turns by id: their texts are read where they stand, and go when they are forgotten."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from service import tables
from service.errors import ProposalNotFound
from service.events import outbox
from service.intents.store import list_intents
from service.page import Page, before
from service.proposals.recurring import Known
from service.proposals.schemas import Growth, NewProposal, Proposal, ProposalTurn, Status
from service.reviews.listing import is_asked_blind

PROPOSAL, MEMBER, CONTENT = tables.proposal, tables.proposal_turn, tables.turn_content
LABEL, INTENT = tables.label, tables.intent

GROWS = PROPOSAL.c.now.is_not(None)
TYPICAL = 6  # turns shown and asked about: the medoid and up to five more


def lock(connection: sa.Connection, bot: str) -> None:
    """Serialise changes to the bot's proposals. SQLite's writers are alone anyway; Postgres locks the bot's row."""
    connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())


def last_id(connection: sa.Connection, bot: str) -> int:
    """Of the bot's newest proposal, 0 before the first."""
    return connection.scalar(sa.select(sa.func.max(PROPOSAL.c.id)).where(PROPOSAL.c.bot == bot)) or 0


def known(connection: sa.Connection, bot: str, encoder: str) -> list[Known]:
    """The bot's proposals that did not lapse, by id."""
    where = (PROPOSAL.c.bot == bot, PROPOSAL.c.status != "lapsed")
    turns: defaultdict[int, set[int]] = defaultdict(set)
    members = sa.select(MEMBER.c.proposal_id, MEMBER.c.turn_id).join(PROPOSAL, PROPOSAL.c.id == MEMBER.c.proposal_id)
    for proposal_id, turn_id in connection.execute(members.where(*where)):
        turns[proposal_id].add(turn_id)
    rows = connection.execute(sa.select(PROPOSAL).where(*where).order_by(PROPOSAL.c.id))
    return [Known(row.id, frozenset(turns[row.id]), row.middle if row.encoder == encoder else None) for row in rows]


def replace_open(
    connection: sa.Connection,
    bot: str,
    n: int,
    encoder: str,
    new: Sequence[NewProposal],
    again: Collection[int],
    now: datetime,
) -> list[int]:
    """Bring the open proposals up to date with what was found: those that are not there again lapse, unless they grow
    at present, new ones are added. The new ones' ids."""
    is_gone = (PROPOSAL.c.bot == bot, PROPOSAL.c.status == "open", PROPOSAL.c.id.not_in(again), ~GROWS)
    connection.execute(sa.update(PROPOSAL).where(*is_gone).values(status="lapsed", decided_at=now))
    return [_add(connection, one, {"bot": bot, "n": n, "encoder": encoder, "at": now}) for one in new]


def replace_growing(
    connection: sa.Connection,
    bot: str,
    n: int,
    encoder: str,
    new: Sequence[NewProposal],
    again: Mapping[int, NewProposal],
    now: datetime,
) -> list[int]:
    """The proposals whose clusters grow at present: these, by id where they are known, and no others. Those that do not
    grow any more are left to the next look at the whole log. The new ones' ids."""
    stands = (PROPOSAL.c.bot == bot, PROPOSAL.c.status == "open", PROPOSAL.c.id.not_in(again), GROWS)
    connection.execute(sa.update(PROPOSAL).where(*stands).values(before=None, now=None))
    for proposal_id, one in again.items():
        known = (PROPOSAL.c.id == proposal_id, PROPOSAL.c.status == "open")
        connection.execute(sa.update(PROPOSAL).where(*known).values(**_grown(one)))
    return [_add(connection, one, {"bot": bot, "n": n, "encoder": encoder, "at": now}) for one in new]


def growing(connection: sa.Connection, bot: str) -> list[int]:
    """Ids of the open ones whose clusters grow at present, the one that grew most first."""
    query = sa.select(PROPOSAL.c.id).where(PROPOSAL.c.bot == bot, PROPOSAL.c.status == "open", GROWS)
    return list(connection.scalars(query.order_by(PROPOSAL.c.before - PROPOSAL.c.now, PROPOSAL.c.id)))


def _grown(new: NewProposal) -> dict[str, float | None]:
    before, now = new.growth or (None, None)
    return {"before": before, "now": now}


def _add(connection: sa.Connection, new: NewProposal, row: Mapping[str, Any]) -> int:
    shown = {"turns": new.turns, "tightness": new.tightness, "phrases": list(new.phrases), "middle": new.middle}
    row = {**row, **shown, **_grown(new)}
    proposal_id: int = connection.execute(PROPOSAL.insert().returning(PROPOSAL.c.id), row).scalar_one()
    members = [
        {"proposal_id": proposal_id, "turn_id": turn_id, "position": position}
        for position, turn_id in enumerate(new.turn_ids)
    ]
    connection.execute(MEMBER.insert(), members)
    # Without its phrases: they may be forgotten.
    told = {"proposal": proposal_id, "classifier": row["n"], "turns": new.turns, "tightness": new.tightness}
    outbox.record(connection, row["bot"], "intent.proposed", told, row["at"])
    return proposal_id


def shelved(connection: sa.Connection, bot: str) -> dict[int, int]:
    """Turns labelled with an intent that is archived → the intent. Of a merged one the turns are another's."""
    newest = (
        sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.bot == bot, LABEL.c.use == "train").group_by(LABEL.c.turn_id)
    )
    query = (
        sa.select(LABEL.c.turn_id, LABEL.c.intent_id)
        .join(INTENT, (INTENT.c.bot == LABEL.c.bot) & (INTENT.c.id == LABEL.c.intent_id))
        .where(LABEL.c.id.in_(newest), LABEL.c.answer == "intent")
        .where(INTENT.c.archived_at.is_not(None), INTENT.c.merged_into.is_(None))
    )
    return {row.turn_id: row.intent_id for row in connection.execute(query)}


def list_proposals(
    connection: sa.Connection, bot: str, status: Status | None, cursor: str | None, limit: int
) -> Page[Proposal]:
    """Newest first."""
    query = sa.select(PROPOSAL).where(PROPOSAL.c.bot == bot).order_by(PROPOSAL.c.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(PROPOSAL.c.status == status)
    if cursor is not None:
        query = query.where(PROPOSAL.c.id < before(cursor))
    rows = connection.execute(query).all()
    next_cursor = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(_proposals(connection, bot, rows[:limit]), next_cursor)


def get_proposal(connection: sa.Connection, bot: str, proposal_id: int) -> Proposal:
    """ProposalNotFound also for another bot's."""
    query = sa.select(PROPOSAL).where(PROPOSAL.c.bot == bot, PROPOSAL.c.id == proposal_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ProposalNotFound(bot, proposal_id)
    return _proposals(connection, bot, [row])[0]


def _proposals(connection: sa.Connection, bot: str, rows: Sequence[sa.Row[Any]]) -> list[Proposal]:
    ids = [row.id for row in rows]
    typical, lacking = _typical(connection, ids), _lacking(connection, ids)
    names = {intent.id: intent.name for intent in list_intents(connection, bot, archived=True)}
    return [
        Proposal(
            id=row.id,
            n=row.n,
            at=row.at,
            status=row.status,
            turns=row.turns,
            tightness=row.tightness,
            phrases=() if row.id in lacking else tuple(row.phrases),
            typical=tuple(typical[row.id]),
            intent=names.get(row.intent_id),
            decided_at=row.decided_at,
            growth=None if row.now is None else Growth(row.before, row.now),
        )
        for row in rows
    ]


def _lacking(connection: sa.Connection, proposal_ids: Sequence[int]) -> set[int]:
    """Those with a forgotten turn: some of the words may be of whoever said it."""
    query = sa.select(MEMBER.c.proposal_id).outerjoin(CONTENT, CONTENT.c.turn_id == MEMBER.c.turn_id)
    return set(connection.scalars(query.where(MEMBER.c.proposal_id.in_(proposal_ids), CONTENT.c.turn_id.is_(None))))


def _typical(connection: sa.Connection, proposal_ids: Iterable[int]) -> defaultdict[int, list[ProposalTurn]]:
    """Without those that somebody is asked about blind: that they are unlike every label is an answer, too."""
    query = (
        sa.select(MEMBER.c.proposal_id, MEMBER.c.turn_id, CONTENT.c.text)
        .outerjoin(CONTENT, CONTENT.c.turn_id == MEMBER.c.turn_id)
        .where(
            MEMBER.c.proposal_id.in_(list(proposal_ids)), MEMBER.c.position < TYPICAL, ~is_asked_blind(MEMBER.c.turn_id)
        )
        .order_by(MEMBER.c.proposal_id, MEMBER.c.position)
    )
    found: defaultdict[int, list[ProposalTurn]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.proposal_id].append(ProposalTurn(row.turn_id, row.text))
    return found


def members(connection: sa.Connection, proposal_id: int, limit: int) -> list[int]:
    """Its turns that can be read, the medoid first."""
    query = sa.select(MEMBER.c.turn_id).join(CONTENT, CONTENT.c.turn_id == MEMBER.c.turn_id)
    query = query.where(MEMBER.c.proposal_id == proposal_id).order_by(MEMBER.c.position)
    return list(connection.scalars(query.limit(limit)))


def close(
    connection: sa.Connection, proposal_id: int, status: Status, now: datetime, *, intent_id: int | None = None
) -> None:
    update = sa.update(PROPOSAL).where(PROPOSAL.c.id == proposal_id)
    connection.execute(update.values(status=status, decided_at=now, intent_id=intent_id))
