"""Values kept for pages: given away at once, renewed behind."""

from collections.abc import Iterator
from weakref import ref

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from service import renewed
from service.renewed import FRESH_S, OLDEST_S, Renewed

BOT = "shop"


class Told(str):
    """That something else refers to it can be seen, as of a `str` it cannot."""


class Shelf:
    """Counts how often a bot is looked at; its clock stands where it is put."""

    def __init__(self, connection: sa.Connection) -> None:
        self.at, self.looks, self.is_broken = 0.0, 0, False
        self._connection, self._renewed = connection, Renewed(self._look, clock=lambda: self.at)

    def _look(self, _connection: sa.Connection, bot: str) -> str:
        if self.is_broken:
            raise ValueError("what a user wrote")
        self.looks += 1
        return Told(f"{bot} {self.looks}")

    def of(self, bot: str = BOT, version: int = 1) -> str:
        return self._renewed.of(self._connection, bot, version)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)  # the other thread's connections are closed, too
    with engine.connect() as connection:
        yield Shelf(connection)
    engine.dispose()


def wait() -> None:
    """Wait until nothing is renewed any more: it is done one at a time."""
    renewed._behind.submit(lambda: None).result()


def test_a_fresh_value_is_not_worked_out_again(shelf: Shelf) -> None:
    found = [shelf.of(), shelf.of("bank")]
    shelf.at = FRESH_S
    wait()
    assert [shelf.of(), shelf.of("bank")] == found == ["shop 1", "bank 2"]


def test_who_asks_after_a_minute_gets_the_old_one_and_the_next_the_new(shelf: Shelf) -> None:
    shelf.of()
    shelf.at = FRESH_S + 1
    assert shelf.of() == "shop 1"
    wait()
    assert shelf.of() == "shop 2"


def test_one_of_another_version_or_too_old_is_not_given_away(shelf: Shelf) -> None:
    shelf.of()
    assert shelf.of(version=2) == "shop 2"
    shelf.at = OLDEST_S + 1
    assert shelf.of(version=2) == "shop 3"


def test_what_nobody_asked_for_in_an_hour_is_not_held_any_longer(shelf: Shelf) -> None:
    gone, asked = ref(shelf.of("gone")), ref(shelf.of("bank"))
    shelf.at = OLDEST_S
    shelf.of()
    assert [one() for one in (gone, asked)] == ["gone 1", "bank 2"]
    shelf.at = OLDEST_S + 1
    assert shelf.of("bank") == "bank 4"
    assert [one() for one in (gone, asked)] == [None, None]
    assert shelf.of() == "shop 3"


def test_a_renewal_that_fails_is_logged_without_its_text_and_the_next_is_tried(shelf: Shelf) -> None:
    shelf.of()
    shelf.at, shelf.is_broken = FRESH_S + 1, True
    with capture_logs() as logs:
        assert shelf.of() == "shop 1"
        wait()
    told = {
        "event": "renewal.failed",
        "log_level": "error",
        "work": "Shelf._look",
        "key": "shop",
        "error": "ValueError",
    }
    assert logs == [told]
    shelf.is_broken = False
    assert shelf.of() == "shop 1"
    wait()
    assert shelf.of() == "shop 2"
