"""Deliveries of every platform, over HTTP into SQL: never a 500, never a wrong bot, never a turn twice."""

import json
from itertools import product
from random import Random

import msgspec
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from service import database, tables
from service.bots.store import add_secret, create_source
from service.context import Context
from service.reports.store import reports_on_turns
from service.turns.keying import keyed_ids
from service.turns.schemas import Reply, Report, Turn
from tests.support.edge import build, encode
from tests.support.ingest import AT, Desk, open_desk
from tests.support.mutations import with_some_changes
from tests.support.platforms import deliveries, names, options, understood

BOTS = ("shop", "bank")
CHANGED = 3  # deliveries of each platform to each bot
SOURCES = list(product(BOTS, names()))


@pytest.fixture
def desk(context: Context, engine: sa.Engine) -> Desk:
    """Two bots with a source of every platform, on both databases."""
    url = engine.url.render_as_string(hide_password=False)
    settings = msgspec.structs.replace(context.settings, database_url=url)
    return open_desk(context._replace(engine=engine, settings=settings), bots=BOTS)


def test_what_platforms_send_and_what_becomes_of_it_on_the_way_is_stored_once_and_where_it_belongs(desk: Desk) -> None:
    random, keys = Random(0), {source: opened(desk, *source) for source in SOURCES}
    expected: dict[type, set[tuple[str, str, str]]] = {Turn: set(), Reply: set(), Report: set()}
    with TestClient(build(desk.context.settings), raise_server_exceptions=False) as client:
        for (bot, name), key in keys.items():
            for body in changing(name, random):
                for data in (body, body + b" ", body):  # a repeat in another delivery, and one of the delivery
                    answer = client.post(f"/webhooks/{bot}/{logs(name)}", content=data, headers={"x-api-key": key})
                    assert answer.status_code == 202
                for fact in understood(name, body).facts:
                    own_id = keyed_ids(fact, desk.context.keyring, bot).external_id
                    expected[type(fact)].add((bot, logs(name), own_id))
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
    """The key of a new source."""
    with database.writing(desk.context.engine) as connection:
        create_source(connection, bot, logs(name), AT, format=name, scheme="shared_key", options=options(name))
        return add_secret(connection, desk.context.keyring, bot, logs(name), AT)


def changing(name: str, random: Random) -> list[bytes]:
    golden = deliveries(name)
    bodies = [json.loads(random.choice(golden)) for _ in range(CHANGED)]
    return golden + [encode(with_some_changes(body, random)) for body in bodies]
