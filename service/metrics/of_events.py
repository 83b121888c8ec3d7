"""How outgoing webhooks fare."""

from collections import Counter
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from service import tables
from service.metrics import catalogue as m
from service.metrics.samples import Sample

ENDPOINT, SENDING = tables.endpoint, tables.sending


def measure(connection: sa.Connection, bots: Sequence[str]) -> Iterator[Sample]:
    found = connection.execute(sa.select(ENDPOINT).where(ENDPOINT.c.bot.in_(bots)))
    states = Counter((row.bot, _state(row)) for row in found)
    for of, n in sorted(states.items()):
        yield Sample(m.ENDPOINTS, n, of)
    one = (SENDING.c.bot, SENDING.c.status)
    query = sa.select(*one, sa.func.count().label("n"), sa.func.sum(SENDING.c.attempts).label("attempts"))
    for row in connection.execute(query.where(SENDING.c.bot.in_(bots)).group_by(*one).order_by(*one)):
        yield Sample(m.SENDINGS, row.n, (row.bot, row.status))
        yield Sample(m.ATTEMPTS, row.attempts, (row.bot, row.status))


def _state(row: sa.Row[tuple[object, ...]]) -> str:
    if row.disabled_at is not None:
        return "disabled"
    return "enabled" if row.failing_since is None else "failing"
