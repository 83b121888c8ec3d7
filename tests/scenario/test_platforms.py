"""Deliveries of every platform, over HTTP into SQL: never a 500, never a wrong bot, never a turn twice."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from random import Random
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from integrations.webhooks import PLATFORMS
from service import database, tables
from service.bots.signing import ISSUED
from service.bots.sources import open_source
from service.context import Context
from service.reports.store import reports_on_turns
from service.turns.keying import keyed_ids
from service.turns.schemas import Reply, Report, Turn
from tests.support.edge import build, encode
from tests.support.ingest import AT, Desk, open_desk
from tests.support.mutations import with_some_changes
from tests.support.platforms import deliveries, names, options, understood
from tests.support.signing import SIGNERS

BOTS = ("shop", "bank")
CHANGED = 3  # deliveries of each platform to each bot; one more where none of them is understood
SOURCES = list(product(BOTS, names()))


@pytest.fixture
def desk(context: Context, engine: sa.Engine) -> Desk:
    """Two bots with a source of every platform, on both databases."""
    url = engine.url.render_as_string(hide_password=False)
    settings = msgspec.structs.replace(context.settings, database_url=url)
    return open_desk(context._replace(engine=engine, settings=settings), bots=BOTS)


def test_what_platforms_send_and_what_becomes_of_it_on_the_way_is_stored_once_and_where_it_belongs(desk: Desk) -> None:
    random, secrets = Random(0), {source: opened(desk, *source) for source in SOURCES}
    expected: dict[type, set[tuple[str, str, str]]] = {Turn: set(), Reply: set(), Report: set()}
    with TestClient(build(desk.context.settings), raise_server_exceptions=False) as client:

        def post(bot: str, name: str, body: bytes, own_id: str, secret: str) -> int:
            headers = SIGNERS[PLATFORMS[name].scheme](secret, body, datetime.now(UTC), own_id)
            return client.post(f"/webhooks/{bot}/{logs(name)}", content=body, headers=headers).status_code

        for (bot, name), secret in secrets.items():
            found, theirs = 0, secrets[next(other for other in BOTS if other != bot), name]
            assert post(bot, name, deliveries(name)[0], "d-0", theirs) == 401
            for n, body in enumerate([*deliveries(name), *changed(name, random)]):
                # A repeat in another delivery, and one of the delivery.
                for data, own_id in ((body, f"d-{n}"), (body + b" ", f"again-{n}"), (body, f"d-{n}")):
                    assert post(bot, name, data, own_id, secret) == 202
                facts = understood(name, body).facts
                found += bool(facts) and n >= len(deliveries(name))
                for fact in facts:
                    own_id = keyed_ids(fact, desk.context.keyring, bot).external_id
                    expected[type(fact)].add((bot, logs(name), own_id))
            assert found > 0, f"no changed delivery of {name} to {bot} is understood: nothing was tried"
    desk.ingest()
    assert sorted(desk.rows(tables.turn, "bot", "source", "external_id")) == sorted(expected[Turn])
    assert sorted(desk.rows(tables.reply, "bot", "source", "external_id")) == sorted(expected[Reply])
    assert sorted(desk.rows(tables.report, "bot", "source", "external_id")) == sorted(expected[Report])
    assert [desk.streams.dead_list(bot) for bot in BOTS] == [[], []]


def test_reports_find_their_turns_whatever_comes_first(desk: Desk) -> None:
    sent = [(name, body) for name in names() for body in deliveries(name)]
    for number, (name, body) in enumerate(reversed(sent)):
        desk.send(*understood(name, body).facts, delivery_id=f"d-{number}", source=name)
    desk.ingest()
    with database.reading(desk.context.engine) as connection:
        turns = {row.id: (row.source, row.external_id) for row in connection.execute(sa.select(tables.turn))}
        found = [(*turns[report.turn_id], report.kind) for report in reports_on_turns(connection, "shop")]
    assert sorted(found) == [
        ("bot_framework", "a:1c/1772442904120", "thumbs_down"),
        ("bot_framework", "a:1c/1772442904120", "thumbs_down"),
        ("botpress", "417720301556010", "thumbs_down"),
        ("chatwoot", "5120", "low_rating"),
        ("dialogflow_cx", "projects/p/locations/l/agents/a/sessions/s-2/3", "thumbs_down"),
        ("dialogflow_cx", "resp-4", "thumbs_down"),
        ("generic", "7041", "low_rating"),
        ("intercom", "9001/source", "low_rating"),
        ("native", "c-81:4", "correction"),
        ("native", "c-81:4", "thumbs_down"),
    ]


def logs(name: str) -> str:
    """The source of a platform; `native` itself comes with each bot, and signs otherwise."""
    return f"{name}-logs"


def opened(desk: Desk, bot: str, name: str) -> str:
    """The secret of a new source, which signs as its platform does."""
    scheme = PLATFORMS[name].scheme
    own: dict[str, Any] = {"format": name, "scheme": scheme, "options": options(name), "who": "Ana"}
    given = f"a-secret-of-the-sender-to-{bot}" if scheme in ISSUED else ""
    with database.writing(desk.context.engine) as connection:
        return open_source(connection, desk.context.keyring, bot, logs(name), AT, secret=given, **own).secret


def changed(name: str, random: Random) -> Iterator[bytes]:
    """Deliveries with odd values, lost and repeated parts, until one of them still says something."""
    n, is_understood = 0, False
    while n < CHANGED or not is_understood:
        body = encode(with_some_changes(json.loads(random.choice(deliveries(name))), random))
        is_understood |= bool(understood(name, body).facts)
        n += 1
        yield body
