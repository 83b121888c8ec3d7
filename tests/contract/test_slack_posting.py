"""What processes that ask Slack agree on in SQL, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from integrations.slack import messages, notices, pace
from integrations.slack.blocks.notices import Held, Undecided
from integrations.slack.drawing import draw
from integrations.slack.messages import Shown
from integrations.slack.notices import Due
from service import database, slack_trouble, tables
from service.reviews import store
from tests.support.shop import BOT, add_turn, deal, open_shop

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
CHANNEL, OTHER = "C0SUPPORT", "C0OTHER"
SECOND = timedelta(seconds=1)
PROCESSES = 4


def at_once(engine: sa.Engine, act: Callable[[sa.Connection, int], Any]) -> list[Any]:
    """What `act` gives in each of several transactions that begin together."""
    barrier = Barrier(PROCESSES)

    def run(n: int) -> Any:
        barrier.wait()
        with database.writing(engine) as connection:
            return act(connection, n)

    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(run, range(PROCESSES)))


def reserve(engine: sa.Engine, *cards: str) -> str:
    with database.writing(engine) as connection:
        message_id = messages.reserve(connection, BOT, CHANNEL, cards, AT)
        assert message_id is not None
        messages.settle(connection, message_id, "posted", "1.0")
        messages.shows(connection, message_id, dict.fromkeys(cards, Shown("open", 0)))
    return message_id


def test_a_card_stands_on_one_message_whoever_reserves_it(engine: sa.Engine) -> None:
    open_shop(engine)
    cards = [deal(engine, f"text {n}") for n in range(6)]
    found = at_once(engine, lambda connection, n: messages.reserve(connection, BOT, CHANNEL, cards[n : n + 3], AT))
    with database.reading(engine) as connection:
        posts = connection.execute(sa.select(tables.post.c.card_id, tables.post.c.message_id)).all()
        known = set(connection.scalars(sa.select(tables.message.c.id)))
    assert sorted(row.card_id for row in posts) == cards
    assert {row.message_id for row in posts} == known == set(filter(None, found))


def test_one_redraws_and_the_others_hear_how_long_to_wait(engine: sa.Engine) -> None:
    open_shop(engine)
    message_id, lease = reserve(engine, deal(engine, "text")), 15 * SECOND
    waits = at_once(engine, lambda connection, _: messages.claim(connection, message_id, AT, lease))
    assert sorted(waits) == [timedelta(), lease, lease, lease]
    with database.writing(engine) as connection:
        messages.redraw_from(connection, message_id, AT + SECOND)
        assert messages.claim(connection, message_id, AT + SECOND / 4, lease) == 3 * SECOND / 4
        assert messages.claim(connection, message_id, AT + SECOND, lease) == timedelta()


def test_a_message_is_behind_until_it_shows_each_vote_and_status(engine: sa.Engine) -> None:
    open_shop(engine)
    card, other = deal(engine, "text"), deal(engine, "other")
    message_id = reserve(engine, card, other)
    with database.writing(engine) as connection:
        assert messages.behind(connection, BOT, AT, 9) == []
        vote = {"bot": BOT, "card_id": card, "reviewer": "Ana", "answer": "unsure", "surface": "console", "at": AT}
        vote_id = connection.execute(
            tables.vote.insert().returning(tables.vote.c.id), vote | {"click_id": "1"}
        ).scalar_one()
        assert messages.behind(connection, BOT, AT, 9) == [message_id]
        assert messages.behind(connection, BOT, AT - SECOND, 9) == []  # its second is not over
        messages.shows(connection, message_id, {card: Shown("open", vote_id)})
        assert not messages.is_behind(connection, message_id)
        store.set_status(connection, other, "withdrawn", AT)
        assert messages.is_behind(connection, message_id)
        messages.shows(connection, message_id, {other: Shown("withdrawn", 0)})
        assert not messages.is_behind(connection, message_id)
        connection.execute(sa.delete(tables.turn_content))
        assert messages.is_behind(connection, message_id)
        messages.shows(connection, message_id, dict.fromkeys((card, other), Shown("gone", 0)))
        assert not messages.is_behind(connection, message_id)


def test_a_message_of_decided_cards_is_behind_again_when_they_are_answered_returned_or_forgotten(
    engine: sa.Engine,
) -> None:
    open_shop(engine)
    names = ["corrected", "returned", "forgotten", "left"]
    cards = {name: deal(engine, name) for name in names}
    found = {name: reserve(engine, card) for name, card in cards.items()}
    with database.writing(engine) as connection:
        for name, card in cards.items():
            store.set_status(connection, card, "resolved", AT)
            messages.shows(connection, found[name], {card: Shown("resolved", 0)})
        assert messages.behind(connection, BOT, AT, 9) == []
        vote = {"bot": BOT, "card_id": cards["corrected"], "reviewer": "Ana", "answer": "none", "surface": "console"}
        connection.execute(tables.vote.insert(), vote | {"click_id": "1", "at": AT})
        store.set_status(connection, cards["returned"], "adjudicate", AT)
        turn = sa.select(tables.card.c.turn_id).where(tables.card.c.id == cards["forgotten"]).scalar_subquery()
        connection.execute(sa.update(tables.turn).where(tables.turn.c.id == turn).values(forgotten_at=AT))
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn))
        assert set(messages.behind(connection, BOT, AT, 9)) == {found[name] for name in names[:3]}


def test_a_notice_is_written_once_and_stands_on_one_message(engine: sa.Engine) -> None:
    open_shop(engine)
    at_once(
        engine,
        lambda connection, n: notices.write(connection, BOT, Due("undecided:2026-03-02", Undecided(n, True)), AT),
    )
    with database.reading(engine) as connection:
        notice_id = notices.waiting(connection, BOT, AT)
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.notice)) == 1
    assert notice_id is not None
    found = at_once(engine, lambda connection, _: messages.reserve_notice(connection, BOT, CHANNEL, notice_id, AT))
    [message_id] = filter(None, found)
    with database.writing(engine) as connection:
        assert notices.waiting(connection, BOT, AT) is None
        assert messages.is_wanted(connection, message_id)
        messages.release(connection, message_id)
        assert notices.waiting(connection, BOT, AT) == notice_id
        assert notices.waiting(connection, BOT, AT + timedelta(days=4)) is None
        notices.write(connection, BOT, Due("undecided:2026-03-03", Undecided(1, True)), AT)
        assert connection.scalars(sa.select(tables.notice.c.key)).all() == ["undecided:2026-03-03"]


def test_a_notices_message_is_behind_until_it_shows_the_decision_and_quotes_what_it_may(engine: sa.Engine) -> None:
    open_shop(engine)
    turn = add_turn(engine, "text")
    with database.writing(engine) as connection:
        notices.write(connection, BOT, Due("held:2", Held(2, 1, 40, "1 wins, 3 losses", None), [turn]), AT)
        notice_id = notices.waiting(connection, BOT, AT)
        assert notice_id is not None
        message_id = messages.reserve_notice(connection, BOT, CHANNEL, notice_id, AT)
        assert message_id is not None
        messages.settle(connection, message_id, "posted", "1.0")

        def shown() -> list[str]:
            """What is behind; then it is redrawn."""
            behind = messages.behind(connection, BOT, AT, 9)
            drawing = draw(connection, BOT, message_id)
            assert drawing is not None
            drawing.remember(connection)
            assert not messages.is_behind(connection, message_id)
            return behind

        assert shown() == []
        assert notices.decide(connection, notice_id, "hold", "slack:U1")
        assert not notices.decide(connection, notice_id, "promote", "slack:U2")
        assert shown() == [message_id]
        messages.shows_nothing_known(connection, message_id)
        assert shown() == [message_id]
        asked = {"id": "c", "bot": BOT, "turn_id": turn, "purpose": "audit", "is_blind": True, "created_at": AT}
        connection.execute(tables.card.insert(), asked)
        assert shown() == [message_id]


@pytest.mark.parametrize(
    ("method", "steady", "most_a_minute"),
    [("chat.update", 40, 50), ("chat.postMessage", 54, 56), ("views.update", 85, 100)],
)
def test_no_minute_holds_more_requests_than_slack_takes(
    engine: sa.Engine, method: str, steady: int, most_a_minute: int
) -> None:
    made: list[datetime] = []
    now = AT
    with database.writing(engine) as connection:
        while now < AT + timedelta(minutes=3):
            wait = pace.take(connection, pace.of(method, CHANNEL), now)
            if wait:
                now += wait
            else:
                made.append(now)
    by_minute = [sum(start <= one < start + timedelta(minutes=1) for one in made) for start in made]
    assert max(by_minute) <= most_a_minute
    assert len(made) >= 3 * steady


def test_a_channels_second_is_had_once_and_another_channel_has_its_own(engine: sa.Engine) -> None:
    limits = pace.of("chat.postMessage", CHANNEL)
    waits = at_once(engine, lambda connection, _: pace.take(connection, limits, AT))
    assert sorted(wait > timedelta() for wait in waits) == [False, True, True, True]
    with database.writing(engine) as connection:
        assert pace.take(connection, pace.of("chat.postMessage", OTHER), AT) == timedelta()


def test_who_is_patient_has_a_turn_and_who_would_wait_longer_has_none(engine: sa.Engine) -> None:
    limits = pace.of("chat.postMessage", CHANNEL)
    with database.writing(engine) as connection:
        waits = [pace.take(connection, limits, AT, patience=2 * SECOND) for _ in range(4)]
        assert waits == [timedelta(), 1.1 * SECOND, 2.2 * SECOND, 2.2 * SECOND]
        assert pace.take(connection, limits, AT + 2.2 * SECOND) == timedelta()


def test_nobody_asks_before_what_retry_after_said(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        pace.block(connection, "chat.postMessage", CHANNEL, AT + 30 * SECOND)
        for channel in (CHANNEL, OTHER):
            assert pace.take(connection, pace.of("chat.postMessage", channel), AT) == 30 * SECOND
        assert pace.take(connection, pace.of("chat.update", CHANNEL), AT) == timedelta()
        assert pace.take(connection, pace.of("chat.postMessage", CHANNEL), AT + 30 * SECOND) == timedelta()


def hear(connection: sa.Connection, error: str, at: datetime, method: str = "chat.postMessage") -> None:
    slack_trouble.hear(connection, error, CHANNEL, method, at, at)


def test_an_outage_is_asked_about_ever_more_rarely_and_by_one(engine: sa.Engine) -> None:
    def may_try(connection: sa.Connection, at: datetime) -> bool:
        return slack_trouble.may_try(connection, OTHER, "chat.update", at)

    with database.writing(engine) as connection:
        hear(connection, "no_answer", AT)
        assert not may_try(connection, AT + SECOND)
    asked = at_once(engine, lambda connection, _: may_try(connection, AT + 2 * SECOND))
    assert sorted(asked) == [False, False, False, True]
    with database.writing(engine) as connection:
        hear(connection, "no_answer", AT + 3 * SECOND)
        # Asked side by side with the first: it says nothing new.
        slack_trouble.hear(connection, "no_answer", OTHER, "chat.update", AT, AT + 4 * SECOND)
        (trouble,) = slack_trouble.troubles(connection)
        assert (trouble.since, trouble.failures, trouble.until) == (AT, 2, AT + 7 * SECOND)
        assert trouble.saw == "Slack does not answer since 2026-03-02 10:00 UTC"


@pytest.mark.parametrize(
    ("error", "closes_channel", "closes_other_channel", "closes_other_method"),
    [
        ("token_revoked", True, True, True),
        ("is_archived", True, False, True),
        ("missing_scope", True, True, False),
        ("a_word_of_tomorrow", True, False, False),
    ],
)
def test_a_refusal_closes_as_much_as_it_says_and_is_forgotten_when_slack_accepts(
    engine: sa.Engine, error: str, closes_channel: bool, closes_other_channel: bool, closes_other_method: bool
) -> None:
    with database.writing(engine) as connection:
        hear(connection, error, AT)

        def closes(channel: str, method: str) -> bool:
            return slack_trouble.blocked_until(connection, channel, method) is not None

        assert closes(CHANNEL, "chat.postMessage") is closes_channel
        assert closes(OTHER, "chat.postMessage") is closes_other_channel
        assert closes(CHANNEL, "chat.update") is closes_other_method
        assert not closes("", slack_trouble.OPENING)  # of another token
        slack_trouble.forget(connection, CHANNEL, "chat.postMessage")
        assert not closes(CHANNEL, "chat.postMessage")


def test_an_error_that_is_not_known_here_is_said_with_where_slack_explains_it(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        hear(connection, "a_word_of_tomorrow", AT)
        (trouble,) = slack_trouble.troubles(connection, CHANNEL)
    assert trouble.saw == "Slack refuses chat.postMessage in C0SUPPORT: a_word_of_tomorrow, since 2026-03-02 10:00 UTC"
    assert (
        trouble.mend == "see what https://docs.slack.dev/reference/methods/chat.postMessage says of a_word_of_tomorrow"
    )


OLD_POST = sa.text("INSERT INTO post VALUES (:card, 'shop', 'C0SUPPORT', :status, :at, :at, :ts)").bindparams(
    sa.bindparam("at", type_=tables.Instant)
)


def test_posts_of_before_are_messages_of_one_card_and_come_back(engine: sa.Engine) -> None:
    open_shop(engine)
    names = ["sending", "posted", "closed", "failed", "behind"]
    cards = {name: deal(engine, name) for name in names}
    with database.writing(engine) as connection:
        store.set_status(connection, cards["closed"], "resolved", AT)
        store.set_status(connection, cards["behind"], "resolved", AT)
        _go(connection, "downgrade", _before("0009"))
        for name in names:
            status = {"behind": "posted"}.get(name, name)
            values = {"card": cards[name], "status": status, "at": AT, "ts": f"{name}.1"}
            connection.execute(OLD_POST, values)
        before = _posts(connection)
        _go(connection, "upgrade", "head")
    with database.reading(engine) as connection:
        query = sa.select(tables.message, tables.post).join(
            tables.post, tables.post.c.message_id == tables.message.c.id
        )
        found = {row.card_id: (row.id, row.status, row.ts, row.shown) for row in connection.execute(query)}
        assert messages.behind(connection, BOT, AT, 9) == [cards["behind"]]
    assert found == {
        cards["sending"]: (cards["sending"], "sending", "sending.1", ""),
        cards["posted"]: (cards["posted"], "posted", "posted.1", "open"),
        cards["closed"]: (cards["closed"], "posted", "closed.1", "resolved"),
        cards["failed"]: (cards["failed"], "failed", "failed.1", ""),
        cards["behind"]: (cards["behind"], "posted", "behind.1", ""),
    }
    with database.writing(engine) as connection:
        _go(connection, "downgrade", _before("0009"))
        assert _posts(connection) == before


def _posts(connection: sa.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(sa.text("SELECT * FROM post ORDER BY card_id"))]


def _before(revision: str) -> str:
    found = ScriptDirectory(str(database.MIGRATIONS)).get_revision(revision)
    assert found is not None and isinstance(found.down_revision, str)
    return found.down_revision


def _go(connection: sa.Connection, way: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    config.attributes["connection"] = connection
    getattr(command, way)(config, revision)
