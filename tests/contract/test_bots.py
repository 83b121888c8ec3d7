"""Bots, sources and their secrets, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from service import tables as t
from service.bots import store
from service.bots.schemas import Pattern
from service.database import reading, writing
from service.errors import BadInput, BotArchived, BotExists, BotNotFound, SourceNotFound
from service.keyring import Keyring, Undecipherable

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYRING = Keyring(b"k" * 32)


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with writing(engine) as connection:
        store.create_bot(
            connection, "shop", NOW, who="Ana", audit_rate=0.2, patterns=[{"name": "ORDER", "regex": "#\\d+"}]
        )
    return engine


def test_a_bot_is_what_it_was_made_with(shop: sa.Engine) -> None:
    with reading(shop) as connection:
        bot = store.get_bot(connection, "shop")
    assert (bot.name, bot.created_at, bot.audit_rate, bot.weekly_budget) == ("shop", NOW, 0.2, 500)
    assert bot.patterns == (Pattern("ORDER", "#\\d+"),)


def test_a_bot_is_made_once(shop: sa.Engine) -> None:
    with writing(shop) as connection, pytest.raises(BotExists):
        store.create_bot(connection, "shop", NOW)


@pytest.mark.parametrize("name", ["", "Shop", "a.b", "a b", "a:b", "é", "x" * 41, "shop\n", "a/b", "{a}"])
def test_names_that_cannot_be_keys_are_refused(engine: sa.Engine, name: str) -> None:
    with writing(engine) as connection, pytest.raises(BadInput) as refused:
        store.create_bot(connection, name, NOW)
    assert refused.value.path == "name"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"audit_rate": 1.5}, "audit_rate"),
        ({"weekly_budget": -1}, "weekly_budget"),
        ({"batch_size": 0}, "batch_size"),
        ({"low_water": "many"}, "low_water"),
        ({"uncertainty": "mine"}, "uncertainty"),
        ({"quiet_hours": "20-7"}, "quiet_hours"),
        ({"quiet_hours": "24:00-07:00"}, "quiet_hours"),
        ({"quiet_hours": "07:00-07:00"}, "quiet_hours"),
        ({"timezone": "Paris"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"daily_limit": -1}, "daily_limit"),
        ({"patterns": [{"name": "no spaces", "regex": "x"}]}, "patterns[0].name"),
        ({"patterns": [{"name": "X"}]}, "patterns[0]"),
        ({"champion": 3}, ""),
    ],
)
def test_a_wrong_option_is_named_and_changes_nothing(shop: sa.Engine, options: dict[str, Any], path: str) -> None:
    with reading(shop) as connection:
        before = store.get_bot(connection, "shop")
    with writing(shop) as connection, pytest.raises(BadInput) as refused:
        store.update_bot(connection, "shop", NOW, **options)
    assert refused.value.path == path
    with reading(shop) as connection:
        assert store.get_bot(connection, "shop") == before


def test_what_is_not_given_stays(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        bot = store.update_bot(connection, "shop", NOW, who="Ana", low_water=3)
    assert (bot.low_water, bot.audit_rate, bot.patterns[0].name) == (3, 0.2, "ORDER")


def test_an_archived_bot_can_be_read_not_changed_and_brought_back(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.archive_bot(connection, "shop", NOW)
        assert store.archive_bot(connection, "shop", NOW + HOUR).archived_at == NOW
        assert store.list_bots(connection) == []
        assert [bot.name for bot in store.list_bots(connection, archived=True)] == ["shop"]
        with pytest.raises(BotArchived):
            store.update_bot(connection, "shop", NOW, low_water=3)
        store.restore_bot(connection, "shop", NOW)
        assert store.live_bot(connection, "shop").archived_at is None


def test_an_unknown_bot_is_not_found(engine: sa.Engine) -> None:
    with reading(engine) as connection, pytest.raises(BotNotFound):
        store.get_bot(connection, "shop")


def test_every_change_is_written_down_with_who_made_it(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.update_bot(connection, "shop", NOW, who="Ben", low_water=3)
        store.add_secret(connection, KEYRING, "shop", "native", NOW, who="Ben")
        store.archive_bot(connection, "shop", NOW, who="Ben")
    c = t.audit_log.c
    with reading(shop) as connection:
        rows = connection.execute(sa.select(c.bot, c.who, c.action, c.details).order_by(c.id)).all()
    assert [(row.bot, row.who, row.action) for row in rows] == [
        ("shop", "Ana", "bot.create"),
        ("shop", "Ana", "source.create"),
        ("shop", "Ben", "bot.set"),
        ("shop", "Ben", "source.rotate"),
        ("shop", "Ben", "bot.archive"),
    ]
    assert rows[2].details == {"low_water": 3}


def test_a_new_bot_s_source_takes_nothing_before_it_has_a_secret(shop: sa.Engine) -> None:
    with reading(shop) as connection:
        assert store.active_secrets(connection, KEYRING, "shop", "native", NOW) == []


def test_an_earlier_secret_is_valid_until_its_grace_ends(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        first = store.add_secret(connection, KEYRING, "shop", "native", NOW)
        second = store.add_secret(connection, KEYRING, "shop", "native", NOW, grace=HOUR)
    with reading(shop) as connection:
        assert store.active_secrets(connection, KEYRING, "shop", "native", NOW) == [second, first]
        assert store.active_secrets(connection, KEYRING, "shop", "native", NOW + HOUR) == [second]


def test_a_second_rotation_never_prolongs_the_first_secret(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.add_secret(connection, KEYRING, "shop", "native", NOW)
        second = store.add_secret(connection, KEYRING, "shop", "native", NOW, grace=HOUR)
        third = store.add_secret(connection, KEYRING, "shop", "native", NOW, grace=5 * HOUR)
        assert store.active_secrets(connection, KEYRING, "shop", "native", NOW + HOUR) == [third, second]


def test_secrets_lie_sealed(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        secret = store.add_secret(connection, KEYRING, "shop", "native", NOW)
        sealed = connection.scalar(sa.select(t.source_secret.c.sealed))
        assert secret.encode() not in sealed
        with pytest.raises(Undecipherable):
            store.active_secrets(connection, Keyring(b"x" * 32), "shop", "native", NOW)


def test_an_unknown_source_is_not_found(shop: sa.Engine) -> None:
    with reading(shop) as connection, pytest.raises(SourceNotFound):
        store.active_secrets(connection, KEYRING, "shop", "rasa", NOW)
