"""How outgoing webhooks fare, of all bots."""

from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa

from service import tables
from service.metrics import catalogue as m
from service.metrics.samples import Sample

ENDPOINT, SENDING = tables.endpoint, tables.sending


def measure(connection: sa.Connection) -> Iterator[Sample]:
    states = Counter((row.bot, _state(row)) for row in connection.execute(sa.select(ENDPOINT)))
    for of, n in sorted(states.items()):
        yield Sample(m.ENDPOINTS, n, of)
    one = (SENDING.c.bot, SENDING.c.status)
    query = sa.select(*one, sa.func.count().label("n"), sa.func.sum(SENDING.c.attempts).label("attempts"))
    for row in connection.execute(query.group_by(*one).order_by(*one)):
        yield Sample(m.SENDINGS, row.n, (row.bot, row.status))
        yield Sample(m.ATTEMPTS, row.attempts, (row.bot, row.status))


def _state(row: sa.Row[tuple[object, ...]]) -> str:
    if row.disabled_at is not None:
        return "disabled"
    return "enabled" if row.failing_since is None else "failing"
