"""Settings come from an environment that is passed in; what is wrong with it is named, and no secret shows."""

from collections.abc import Callable

import pytest

from service.console.settings import installation
from service.context import connect_redis
from service.database import connect
from service.errors import ConfigError
from service.keyring import load_keyring
from service.settings import Secret, Settings


def test_a_variable_is_a_field_in_its_type() -> None:
    settings = Settings.from_env({"FENCEPOST_PORT": "9000", "FENCEPOST_DATA_DIR": "/srv/fp", "HOME": "/root"})
    assert (settings.port, settings.data_dir, settings.base_url) == (9000, "/srv/fp", "http://127.0.0.1:9000")
    assert Settings.from_env({"HOME": "/home/ana"}).data_dir == "/home/ana/.local/share/fencepost"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FENCEPOST_PROT", "9000"),
        ("FENCEPOST_PORT", "many"),
        ("FENCEPOST_PORT", "0"),
        ("FENCEPOST_PORT", "70000"),
        ("FENCEPOST_STREAM_BOUND", "0"),
        ("FENCEPOST_LOG_LEVEL", "loud"),
    ],
)
def test_an_unknown_or_malformed_variable_stops_the_start_by_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        Settings.from_env({variable: value})


@pytest.mark.parametrize(
    ("variable", "value", "use"),
    [
        ("FENCEPOST_DATABASE_URL", "fencepost.db", lambda settings: connect(settings.sql_url)),
        ("FENCEPOST_DATABASE_URL", "mysql://ana:hunter2@db/fp", lambda settings: connect(settings.sql_url)),
        ("FENCEPOST_REDIS_URL", "localhost:6379", connect_redis),
        ("FENCEPOST_REDIS_URL", "redis://:hunter2@cache:port/0", connect_redis),
        ("FENCEPOST_STREAM_KEY", "hunter2é", load_keyring),
        ("FENCEPOST_STREAM_KEY", "aHVudGVyMg==", load_keyring),
    ],
)
def test_a_value_nothing_can_be_made_of_is_named_and_not_quoted(
    variable: str, value: str, use: Callable[[Settings], object]
) -> None:
    with pytest.raises(ConfigError, match=variable) as caught:
        use(Settings.from_env({variable: value}))
    assert "hunter2" not in str(caught.value)


def test_secrets_hide_in_every_repr() -> None:
    settings = Settings(stream_key=Secret("hunter2"), slack_bot_token=Secret("xoxb-hunter2"))
    assert "hunter2" not in f"{settings!r} {settings}"
    assert settings.slack_bot_token == "xoxb-hunter2"


def test_no_part_of_a_password_is_on_the_page_of_settings() -> None:
    given = {"database_url": "postgresql://ana:pq7/rs@tu:v@db/fp?password=wx9", "redis_url": "redis://:yz4:ab@redis/0"}
    shown = {variable: value for variable, value, _ in installation(Settings(**given))}
    assert shown["FENCEPOST_DATABASE_URL"] == "postgresql://ana:****@db/fp?password=****"
    assert shown["FENCEPOST_REDIS_URL"] == "redis://:****@redis/0"
    assert {shown["FENCEPOST_STREAM_KEY"], shown["FENCEPOST_PORT"]} == {"", "8765"}
