"""A bot whose turns are embedded and whose champion goes by likeness to a phrase per intent: what tests of marks and
rankings begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from service import database, tables
from service.bots.store import create_bot, update_bot
from service.classifiers import store as classifiers
from service.classifiers.schemas import Manifest
from service.clock import now
from service.context import Context, connect_redis, wait_for_redis
from service.encoding import pack
from service.intents.store import create_intents
from service.keyring import Keyring
from service.learning.head import NEVER, Head
from service.learning.types import Floats1d
from service.settings import Settings
from service.turns import tally
from tests.support.encoder import FakeEncoder
from workers import ranking, scoring

BOT = "shop"
AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
PHRASES = {
    "refund": "i want my money back please",
    "cancel_order": "stop the order before it ships",
    "track_order": "where is my parcel right now",
}
# A gate that looks at nothing but one direction, which turns said as gibberish have most of.
GIBBERISH = "qwx zzv kkj"


class Shop(NamedTuple):
    context: Context
    encoder: FakeEncoder

    @property
    def engine(self) -> sa.Engine:
        return self.context.engine

    def set(self, **options: Any) -> None:
        with database.writing(self.engine) as connection:
            update_bot(connection, BOT, AT, **options)

    def say(
        self,
        text: str,
        *,
        minute: int = 0,
        conversation: str = "",
        bot_intent: str = "",
        bot_score: float | None = None,
        entities: str = "",
        version: str = "",
        source: str = "native",
        vector: Floats1d | None = None,
        **more: object,
    ) -> int:
        """Store an embedded turn as ingest would, without showing it to the champion; its id."""
        at = AT + timedelta(minutes=minute)
        with database.writing(self.engine) as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(tables.turn))
            row = {
                "bot": BOT,
                "source": source,
                "external_id": f"t-{count}",
                "conversation_id": conversation,
                "at": at,
                "received_at": at,
                "text_key": text.casefold().encode(),
                "bot_intent": bot_intent,
                "bot_score": bot_score,
                "bot_version": version,
                "entity_signature": entities,
                **more,
            }
            new = connection.execute(tables.turn.insert().returning(tables.turn), row).one()
            turn_id: int = new.id
            if source not in tables.NOT_SAID:
                tally.count_turns(connection, BOT, [new])
            connection.execute(tables.turn_content.insert(), {"turn_id": turn_id, "text": text})
            x = self.encoder.encode(BOT, [text])[0] if vector is None else vector
            stored = {"turn_id": turn_id, "encoder": self.encoder.identity(BOT), "data": pack(x)}
            connection.execute(tables.vector.insert(), stored)
        self.encoder.add(BOT, [turn_id], x[None, :])
        return turn_id

    def reply(self, text: str, *, conversation: str, minute: int, intent: str = "", to: str = "") -> str:
        """The reply's external id; it comes half a minute after the minute."""
        at = AT + timedelta(minutes=minute, seconds=30)
        with database.writing(self.engine) as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(tables.reply))
            row = {"bot": BOT, "source": "native", "external_id": f"r-{count}", "conversation_id": conversation}
            row |= {"at": at, "received_at": at, "intent": intent, "turn_external_id": to}
            insert = tables.reply.insert().returning(tables.reply.c.id)
            reply_id = connection.execute(insert, row).scalar_one()
            connection.execute(tables.reply_content.insert(), {"reply_id": reply_id, "text": text})
        return f"r-{count}"

    def report(
        self, turn_id: int | None, kind: str = "thumbs_down", *, person: str = "", minute: int = 0, reply: str = ""
    ) -> None:
        at = AT + timedelta(minutes=minute)
        with database.writing(self.engine) as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(tables.report))
            about = sa.select(tables.turn.c.external_id).where(tables.turn.c.id == turn_id)
            row = {"bot": BOT, "source": "native", "external_id": f"p-{count}", "kind": kind, "at": at}
            row |= {"received_at": at, "reply_external_id": reply}
            row |= {"turn_external_id": connection.scalar(about) if turn_id else ""}
            insert = tables.report.insert().returning(tables.report.c.id)
            report_id = connection.execute(insert, row).scalar_one()
            connection.execute(tables.report_content.insert(), {"report_id": report_id, "person": person})

    def train(
        self, phrases: dict[str, str] | None = None, *, sharpness: float = 6.0, gate: bool = False, **more: Any
    ) -> int:
        """Put a classifier in force that goes by likeness to one phrase per intent; its number. `more`: of its
        manifest."""
        said = PHRASES if phrases is None else phrases
        x = self.encoder.encode(BOT, list(said.values()))
        ids = list(range(1, len(said) + 1))
        head = Head(
            intent_ids=np.array(ids),
            weights=sharpness * x,
            bias=np.zeros(len(ids), np.float32),
            temperature=1.0,
            center=np.zeros(x.shape[1], np.float32),
            prototypes=x,
            gate_weights=20 * self.encoder.encode(BOT, [GIBBERISH])[0],
            gate_familiarity=0.0,
            gate_bias=-10.0,
            threshold=0.5 if gate else NEVER,
        )
        intents = dict(zip(said, ids, strict=True))
        manifest = Manifest(encoder=self.encoder.identity(BOT), dimensions=x.shape[1], intents=intents, **more)
        with database.writing(self.engine) as connection:
            compared = classifiers.champion_n(connection, BOT)
            n = classifiers.save(connection, BOT, head, manifest, "challenger", AT)
            assert classifiers.promote(connection, BOT, n, compared)
        return n

    def rescore(self) -> None:
        scoring.rescore(self.context, self.encoder, BOT)

    def refresh_reports(self) -> None:
        scoring.refresh_reports(self.context, self.encoder, BOT)

    def rank(self) -> None:
        ranking.rank(self.context, self.encoder, BOT)

    def rows(self, table: sa.Table, *columns: str, order: str = "turn_id", **where: object) -> list[tuple[Any, ...]]:
        """Columns of a table's rows, ordered, for asserting on."""
        query = sa.select(*(table.c[name] for name in columns)).order_by(table.c[order])
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        with database.reading(self.engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def marks(self, turn_id: int) -> dict[str, float]:
        return dict(self.rows(tables.mark, "kind", "value", order="kind", turn_id=turn_id))

    def candidate(self, turn_id: int) -> dict[str, Any]:
        """The candidate's row; {} when the turn is none."""
        with database.reading(self.engine) as connection:
            query = sa.select(tables.candidate).where(tables.candidate.c.turn_id == turn_id)
            row = connection.execute(query).mappings().one_or_none()
            return dict(row) if row else {}

    def cards(self, purpose: str = "rank") -> list[int]:
        """Turns with a card, in the order in which they are asked."""
        rows = self.rows(tables.card, "priority", "turn_id", purpose=purpose)
        return [turn_id for _, turn_id in sorted(rows, key=lambda row: (-row[0], row[1]))]


@contextmanager
def opened_shop(engine: sa.Engine, valkey: Path, folder: Path) -> Iterator[Shop]:
    """An empty bot with three intents and no champion; its audit slice is empty unless asked for."""
    settings = Settings(data_dir=str(folder), redis_url=f"unix://{valkey}")
    context = Context(settings, engine, connect_redis(settings), Keyring(b"k" * 32))
    wait_for_redis(context)
    context.redis.flushall()
    with database.writing(engine) as connection:
        create_bot(connection, BOT, now(), audit_rate=0.0)
        create_intents(connection, BOT, dict.fromkeys(PHRASES, ""), AT)
    yield Shop(context, FakeEncoder())
    context.redis.close()


def between(shop: Shop, *intents: str, noise: int | None = None) -> Floats1d:
    """A vector as near to one of these intents' phrases as to another; `noise` is a
    seed that sets it apart from its like."""
    x = shop.encoder.encode(BOT, [PHRASES[intent] for intent in intents]).sum(axis=0)
    x = x / np.linalg.norm(x)
    if noise is not None:
        apart = np.random.default_rng(noise).normal(size=len(x))
        x = x + 0.5 * apart / np.linalg.norm(apart)
    return np.asarray(x / np.linalg.norm(x))
