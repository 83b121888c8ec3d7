"""`fencepost status` and `fencepost doctor`: what they say, above all while something is down."""

from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from service.bots.store import create_bot
from service.cli import cli
from service.clock import now
from service.context import Context
from service.database import writing
from service.errors import EncoderDown
from service.health import check_redis
from service.operations import status
from service.operations.doctor import examine
from service.settings import Settings
from service.turns import tally
from tests.support.shop import add_turn

AWAY = "unix:///nowhere/valkey.sock"


@pytest.fixture
def shop(context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Context]:
    """An installation with a bot, whose encoder is down and not waited for."""
    monkeypatch.setattr("service.operations.doctor.DEADLINE_S", 0.1)
    with writing(context.engine) as connection:
        create_bot(connection, "shop", now())
    yield context


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, obj=settings, env={"COLUMNS": "200"})


def without_redis(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, redis_url=AWAY)


def levels(context: Context) -> dict[str, str]:
    return {finding.name: finding.level for finding in examine(context, lambda _connection, _bot: 0.0)}


def test_status_counts_what_sql_knows_while_redis_is_away(shop: Context) -> None:
    found = run(without_redis(shop.settings), "status", "--json")
    (bot,) = msgspec.json.decode(found.output, type=status.Status).bots
    assert (bot.bot, bot.waiting, bot.turns) == ("shop", None, 0)
    assert "–" in run(without_redis(shop.settings), "status").output


def test_doctor_goes_on_while_redis_is_away(shop: Context) -> None:
    with writing(shop.engine) as connection:
        create_bot(connection, "shop2", now())
    found = run(without_redis(shop.settings), "doctor")
    assert (found.exit_code, "redis: no answer" in found.output) == (1, True)
    assert "shop2: classifier" in found.output


def test_doctor_is_patient_once_with_an_encoder_that_is_down(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = []

    class Silent:
        def __init__(self, _settings: Settings, _redis: object, deadline_s: float) -> None:
            patience.append(deadline_s)

        def identity(self, _bot: str) -> str:
            raise EncoderDown("no answer")

    monkeypatch.setattr("service.operations.doctor.EncodeClient", Silent)
    monkeypatch.setattr("service.operations.doctor.DEADLINE_S", 5.0)
    with writing(shop.engine) as connection:
        for name in ("shop2", "shop3"):
            create_bot(connection, name, now())
    assert levels(shop)["shop3: encoder"] == "wrong"
    assert patience == [5.0, 0.5, 0.5]


def test_doctor_names_a_redis_that_forgets_and_one_that_will_not_say(
    shop: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.redis.config_set("appendonly", "no")
    try:
        assert levels(shop)["redis"] == "wrong"
    finally:
        shop.redis.config_set("appendonly", "yes")
    monkeypatch.setattr("service.broker.durability", lambda _redis: {"appendonly": "?", "appendfsync": "?"})
    assert levels(shop)["redis"] == check_redis(shop).level == "warning"


def test_doctor_tells_an_empty_database_from_one_that_is_away(shop: Context) -> None:
    with shop.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    found = run(shop.settings, "doctor")
    assert "schema version none" in found.output
    assert "`fencepost migrate`" in found.output
    away = msgspec.structs.replace(shop.settings, database_url="sqlite:////nowhere/fencepost.db")
    assert "unable to open database file" in run(away, "doctor").output


def test_doctor_finds_counts_that_are_off_and_names_what_mends_them(shop: Context) -> None:
    add_turn(shop.engine, "money back")
    with writing(shop.engine) as connection:
        tally.add(connection, "shop", {tally.Day(now().date(), "", tally.TURNS): 3})
    found = run(shop.settings, "doctor").output
    assert "shop: counts: 4 turns by day and 1 by source, of 1 in the log → `fencepost recount --bot shop`" in found
    assert run(shop.settings, "recount", "--bot", "shop").output == "Counts that were wrong and are mended: 1.\n"
    assert run(shop.settings, "recount", "--bot", "shop").output == "Every count is right.\n"
    assert "shop: counts" not in levels(shop)
    assert "there is no bot 'shp'" in run(shop.settings, "recount", "--bot", "shp").output


def test_doctor_shows_brackets_as_they_are(shop: Context) -> None:
    settings = msgspec.structs.replace(shop.settings, data_dir=f"{shop.settings.data_dir}/[bold]")
    assert f"data folder: {settings.data_dir}\n" in run(settings, "doctor").output
