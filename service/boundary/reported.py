"""Which of a sample's turns are reported, looked up from the turns: the reports of a bot are never walked."""

from collections.abc import Sequence

import sqlalchemy as sa

from service import tables

TURN, REPLY, REPORT = tables.turn, tables.reply, tables.report
MANY = 500  # turns in one statement


def reported(connection: sa.Connection, bot: str, turn_ids: Sequence[int]) -> set[int]:
    """Those with a report that names them, or a reply that names them."""
    found: set[int] = set()
    for start in range(0, len(turn_ids), MANY):
        found |= _reported(connection, bot, turn_ids[start : start + MANY])
    return found


def _reported(connection: sa.Connection, bot: str, turn_ids: Sequence[int]) -> set[int]:
    query = sa.select(TURN.c.id, TURN.c.source, TURN.c.external_id).where(TURN.c.id.in_(turn_ids))
    turns = {(source, external_id): turn_id for turn_id, source, external_id in connection.execute(query)}
    found: set[int] = set()
    for source in {source for source, _ in turns}:
        named = [external_id for of, external_id in turns if of == source]
        found |= {turns[source, name] for name in _named(connection, bot, source, named)}
    return found


def _named(connection: sa.Connection, bot: str, source: str, turns: Sequence[str]) -> set[str]:
    """Turns' external ids."""
    r, c = REPORT.c, REPLY.c
    direct = sa.select(r.turn_external_id).where(r.bot == bot, r.source == source, r.turn_external_id.in_(turns))
    named = sa.select(c.external_id, c.turn_external_id)
    replies = dict(
        connection.execute(named.where(c.bot == bot, c.source == source, c.turn_external_id.in_(turns))).all()
    )
    # Of `= ''` SQLite thinks it tells much, and walks all reports that name no turn.
    names_none = sa.func.length(r.turn_external_id) == 0
    to_reply = sa.select(r.reply_external_id).where(
        r.bot == bot, r.source == source, names_none, r.reply_external_id.in_(list(replies))
    )
    return {*connection.scalars(direct), *(replies[one] for one in connection.scalars(to_reply))}
