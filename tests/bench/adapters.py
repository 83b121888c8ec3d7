"""Golden deliveries of every platform, posted over HTTP to the API as it runs, and what came of them in SQL.

Each goes out three times: as it is, again as a retry, and again as a delivery of its own, with another id and one more
byte. Senders sign as their platforms do. Ingest runs here, without an encoder: nothing depends on the vectors.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import sqlalchemy as sa

from integrations.webhooks import PLATFORMS
from service import broker, database, tables
from service.bots.signing import ISSUED
from service.bots.sources import open_source
from service.bots.store import create_bot
from service.context import Context, opened, wait_for_redis
from service.settings import Settings
from service.streams import Streams
from service.turns.keying import keyed_ids
from service.turns.schemas import Fact
from tests.support.encoder import FakeEncoder
from tests.support.ingest import redactor
from tests.support.platforms import deliveries, options
from tests.support.server import serving
from tests.support.signing import SIGNERS
from workers.ingest import QUOTA
from workers.recording import Recorder

BOT = "shop"
SOURCE = "golden-"  # a new bot has a source called native already
SECRET = "a-secret-of-the-sender"  # where the sender makes it
NOW = datetime.now(UTC)
TABLES = {"Turn": tables.turn, "Reply": tables.reply, "Report": tables.report}

Key = tuple[str, str]  # kind of fact, external id


def measure() -> dict[str, dict[str, int]]:
    """By platform: facts in its deliveries, rows of them, and rows too many or too few."""
    with installed() as (context, url):
        posted = {name: _post(context, url, name) for name in PLATFORMS}
        _ingest(context)
        return {name: _counted(keys, _stored(context, name)) for name, keys in posted.items()}


def _counted(posted: set[Key], stored: Counter[Key]) -> dict[str, int]:
    return {
        "posted": len(posted),
        "stored": stored.total(),
        "duplicates": stored.total() - len(posted & stored.keys()),
        "lost": len(posted - stored.keys()),
    }


@contextmanager
def installed() -> Iterator[tuple[Context, str]]:
    """A bot with a source of every platform, and the server's address."""
    with tempfile.TemporaryDirectory(prefix="fp-") as folder:
        settings = Settings(data_dir=folder, redis_url=f"unix://{Path(folder) / 'valkey.sock'}")
        server = broker.start(Path(folder), Path(folder) / "valkey.sock")
        try:
            with opened(settings) as context:
                wait_for_redis(context)
                database.migrate(context.engine)
                with database.writing(context.engine) as connection:
                    create_bot(connection, BOT, NOW)
                with serving(settings) as url:
                    yield context, url
        finally:
            server.terminate()
            server.wait(10)


def _post(context: Context, url: str, name: str) -> set[Key]:
    """The keys of the facts that were posted."""
    secret, sign, keys = _open(context, name), SIGNERS[PLATFORMS[name].scheme], set[Key]()
    for n, body in enumerate(deliveries(name)):
        for own_id, data in ((f"d-{n}", body), (f"d-{n}", body), (f"again-{n}", body + b"\n")):
            headers = sign(secret, data, datetime.now(UTC), own_id)
            httpx.post(f"{url}/webhooks/{BOT}/{SOURCE}{name}", content=data, headers=headers).raise_for_status()
        parsed = PLATFORMS[name].parse(body, delivery_id=f"d-{n}", received_at=NOW, options=options(name))
        keys.update(_key(context, fact) for fact in parsed.facts)
    return keys


def _open(context: Context, name: str) -> str:
    """The secret of a new source."""
    scheme = PLATFORMS[name].scheme
    given = {"secret": SECRET} if scheme in ISSUED else {}
    with database.writing(context.engine) as connection:
        made = open_source(
            connection,
            context.keyring,
            BOT,
            SOURCE + name,
            NOW,
            format=name,
            scheme=scheme,
            who="bench",
            options=options(name),
            **given,
        )
    return made.secret


def _key(context: Context, fact: Fact) -> Key:
    return type(fact).__name__, keyed_ids(fact, context.keyring, BOT).external_id


def _ingest(context: Context) -> None:
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    recorder = Recorder(context, FakeEncoder(), redactor())
    while entries := streams.fresh(BOT, "bench", QUOTA):
        recorder.record(BOT, [streams.open(BOT, entry.sealed) for entry in entries], datetime.now(UTC))
        streams.settle(BOT, [entry.id for entry in entries])


def _stored(context: Context, name: str) -> Counter[Key]:
    found = Counter[Key]()
    with database.reading(context.engine) as connection:
        for kind, table in TABLES.items():
            query = sa.select(table.c.external_id).where(table.c.bot == BOT, table.c.source == SOURCE + name)
            found.update((kind, external_id) for external_id in connection.scalars(query))
    return found
