"""Sources on both databases: what they are made with, how they change, whose secret it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from service.bots import store
from service.bots.sources import Opened, change_source, open_source
from service.database import reading, writing
from service.errors import BadInput, SourceExists, SourceNotFound
from service.keyring import Keyring

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
KEYRING = Keyring(b"k" * 32)
GIVEN = "client-secret-of-theirs"


@pytest.fixture(autouse=True)
def shop(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        store.create_bot(connection, "shop", NOW)


def add(engine: sa.Engine, name: str = "desk", *, scheme: str = "shared_key", **more: Any) -> Opened:
    with writing(engine) as connection:
        return open_source(connection, KEYRING, "shop", name, NOW, format="generic", scheme=scheme, who="Ana", **more)


def change(engine: sa.Engine, name: str = "desk", **changes: Any) -> Opened:
    with writing(engine) as connection:
        return change_source(connection, KEYRING, "shop", name, NOW, who="Ana", **changes)


def secrets(engine: sa.Engine, name: str = "desk", at: datetime = NOW) -> list[str]:
    with reading(engine) as connection:
        return store.active_secrets(connection, KEYRING, "shop", name, at)


def test_a_source_is_what_it_was_made_with(engine: sa.Engine) -> None:
    made = add(engine, tolerance_s=60, options={"turn": {"turn_id": "id", "text": "body"}})
    with reading(engine) as connection:
        source = store.get_source(connection, "shop", "desk")
    assert source == made.source
    assert (source.format, source.scheme, source.tolerance_s) == ("generic", "shared_key", 60)
    assert source.options == {"turn": {"turn_id": "id", "text": "body"}}
    assert secrets(engine) == [made.secret]


def test_what_is_left_out_has_a_default(engine: sa.Engine) -> None:
    source = add(engine).source
    assert (source.tolerance_s, source.options) == (300, {})


@pytest.mark.parametrize("name", ["", "a b", "Desk", "import", "gold", "slack", "x" * 41, "a\0"])
def test_a_name_that_is_taken_by_ourselves_or_is_none_is_refused(engine: sa.Engine, name: str) -> None:
    with pytest.raises(BadInput) as refused:
        add(engine, name)
    assert refused.value.path == "name"


def test_a_source_is_made_once_even_when_it_was_archived(engine: sa.Engine) -> None:
    add(engine)
    with writing(engine) as connection:
        store.archive_source(connection, "shop", "desk", NOW)
    with pytest.raises(SourceExists):
        add(engine)
    with reading(engine) as connection, pytest.raises(SourceNotFound):
        store.get_source(connection, "shop", "desk")
    with writing(engine) as connection:
        store.restore_source(connection, "shop", "desk", NOW)
        assert store.get_source(connection, "shop", "desk").archived_at is None
        with pytest.raises(SourceNotFound):
            store.restore_source(connection, "shop", "nowhere", NOW)


def test_the_sender_s_secret_comes_with_the_source_or_later(engine: sa.Engine) -> None:
    assert add(engine, "intercom", scheme="intercom").secret == ""
    assert secrets(engine, "intercom") == []
    with writing(engine) as connection:
        with pytest.raises(BadInput, match="made by the sender"):
            store.add_secret(connection, KEYRING, "shop", "intercom", NOW)
        store.add_secret(connection, KEYRING, "shop", "intercom", NOW, secret=GIVEN)
    assert secrets(engine, "intercom") == [GIVEN]
    assert add(engine, "slack-like", scheme="slack", secret=GIVEN).secret == GIVEN


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("intercom", "short"),
        ("intercom", "two words of them"),
        ("intercom", "gehèim-gehèim"),
        ("standard_webhooks", "whsec_" + "A" * 8),
        ("standard_webhooks", "whsec_" + "?" * 40),
        ("unsigned", GIVEN),
    ],
)
def test_a_secret_that_can_be_none_is_refused_and_no_source_is_made(
    engine: sa.Engine, scheme: str, secret: str
) -> None:
    with pytest.raises(BadInput) as refused:
        add(engine, scheme=scheme, secret=secret)
    assert refused.value.path == "secret"
    with reading(engine) as connection, pytest.raises(SourceNotFound):
        store.get_source(connection, "shop", "desk")


def test_what_is_changed_is_changed_and_the_rest_stays(engine: sa.Engine) -> None:
    made = add(engine)
    changed = change(engine, tolerance_s=30, options={"reply": {"reply_id": "id", "text": "body"}})
    assert (changed.secret, changed.source.tolerance_s, changed.source.scheme) == ("", 30, "shared_key")
    assert secrets(engine) == [made.secret]


def test_another_scheme_ends_the_secrets_of_the_one_before(engine: sa.Engine) -> None:
    made = add(engine)
    changed = change(engine, scheme="standard_webhooks")
    assert secrets(engine) == [changed.secret] != [made.secret]
    assert change(engine, scheme="zendesk").secret == ""
    assert secrets(engine) == []
    change(engine, scheme="intercom", secret=GIVEN)
    assert secrets(engine) == [GIVEN]
    change(engine, scheme="unsigned")
    assert secrets(engine, at=NOW + timedelta(days=1)) == []
