"""Posting a log as its platform would, a tenth of it twice, and counting what arrived."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from service import database
from service.keyring import Keyring
from service.tables import reply, report, turn
from service.turns.keying import keyed_ids
from service.turns.logs import Conversation, deliveries
from service.turns.parsing import Adapter
from service.turns.schemas import Fact
from service.turns.sending import Sender

PER_DELIVERY = 50  # turns
TWICE = 10  # every tenth delivery is posted again

TABLES = {"turn": turn, "reply": reply, "report": report}
Key = tuple[str, str]  # kind of fact, external id


class Arrived(NamedTuple):
    """Facts posted, each counted once, and what the database holds of them."""

    posted: int
    stored: int
    lost: int
    duplicates: int


def post(
    sender: Sender,
    log: Sequence[Conversation],
    key_of: Callable[[Fact], Key],
    parse: Adapter,
    on_turns: Callable[[int], None],
) -> set[Key]:
    """Send everything; the keys of what was sent. `on_turns` is told how many more turns were."""
    keys: set[Key] = set()
    for number, delivery in enumerate(deliveries(log, turns=PER_DELIVERY)):
        for _ in range(2 if number % TWICE == 0 else 1):
            sender.send(delivery)
        facts = parse(delivery.body, delivery_id=delivery.id, received_at=datetime.now(UTC), options={}).facts
        keys.update(key_of(fact) for fact in facts)
        on_turns(delivery.turns)
    return keys


def key(fact: Fact, keyring: Keyring, bot: str) -> Key:
    """What the fact's row is known by."""
    return type(fact).__name__.lower(), keyed_ids(fact, keyring, bot).external_id


def count(engine: sa.Engine, bot: str, source: str, posted: set[Key]) -> Arrived:
    """Compare what was posted with the rows there are; a row that nobody posted counts as a duplicate too."""
    with database.reading(engine) as connection:
        rows = Counter(_stored(connection, bot, source))
    return Arrived(
        posted=len(posted),
        stored=rows.total(),
        lost=len(posted - rows.keys()),
        duplicates=rows.total() - len(posted & rows.keys()),
    )


def _stored(connection: sa.Connection, bot: str, source: str) -> Iterable[Key]:
    for kind, table in TABLES.items():
        query = sa.select(table.c.external_id).where(table.c.bot == bot, table.c.source == source)
        if table is report:  # those that a conversation gives away were not posted
            query = query.where(table.c.is_explicit)
        yield from ((kind, external_id) for external_id in connection.scalars(query))
