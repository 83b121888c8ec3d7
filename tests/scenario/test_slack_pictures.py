"""A bot's pictures: drawn when what they show has changed, uploaded to the app alone, shown on the home tab."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from integrations.slack import jobs, pictures, progress
from integrations.slack.client import PatientClient, posting
from integrations.slack.progress import Progress
from service import database, tables
from service.bots.store import update_bot
from service.context import Context
from service.intents.store import by_name
from service.jobs import Job
from service.settings import Secret
from service.slack_trouble import troubles
from tests.support.channel import Clock
from tests.support.decided import decide, put_in_force
from tests.support.shop import AT, BOT, add_turn, open_shop
from tests.support.slack import CHANNEL, Slack
from workers import schedule

Refresh = Callable[[], list[str]]
DAY, WEEK = timedelta(days=1), timedelta(days=7)
YESTERDAY = AT - DAY
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def client(desk: Context) -> PatientClient:
    return posting(desk.settings, desk.engine)


@pytest.fixture
def refresh(client: PatientClient) -> Refresh:
    return lambda: pictures.refresh(client, BOT)


def label(engine: sa.Engine, turns: int = 1, *, after: timedelta = timedelta()) -> list[int]:
    """Turns that people labelled."""
    made = [add_turn(engine, "text") for _ in range(turns)]
    with database.writing(engine) as connection:
        refund = by_name(connection, BOT, "refund").id
        row = {"bot": BOT, "use": "train", "answer": "intent", "intent_id": refund, "origin": "vote", "at": AT + after}
        connection.execute(tables.label.insert(), [row | {"turn_id": turn} for turn in made])
    return made


def train(engine: sa.Engine, n: int, status: str, *, day: int, decided: int | None = None, ended: str = "") -> None:
    """A classifier; `decided`: the day its trial ended."""
    with database.writing(engine) as connection:
        own = {
            "bot": BOT,
            "n": n,
            "status": status,
            "created_at": AT + day * DAY,
            "manifest": {"encoder": "e", "dimensions": 2},
        }
        connection.execute(tables.classifier.insert(), own)
        if decided is not None:
            gate = {"bot": BOT, "challenger": n, "champion": 1, "status": ended, "compared": 9, "disagreed": 9}
            own = {"opened_at": AT, "decided_at": AT + decided * DAY}
            connection.execute(tables.gate.insert(), gate | own)


def usable(engine: sa.Engine, clock: Clock) -> dict[str, str]:
    with database.reading(engine) as connection:
        return {name: one.file_id for name, one in pictures.shown(connection, BOT, clock.now()).items()}


def fill_two_weeks(engine: sa.Engine) -> None:
    put_in_force(engine, 7)
    for at, turns in {YESTERDAY - WEEK: 100, YESTERDAY: 150}.items():
        decide(engine, at, "refund", turns)
        decide(engine, at, "none", 100)


def test_both_are_uploaded_and_usable_once_slack_has_processed_them(
    desk: Context, clock: Clock, slack: Slack, refresh: Refresh
) -> None:
    fill_two_weeks(desk.engine)
    label(desk.engine, 3)
    assert refresh() == ["progress", "mix"]
    assert [(file["name"], file["content"][:8], file["channel"]) for file in slack.files.values()] == [
        ("shop-progress.png", PNG, None),
        ("shop-mix.png", PNG, None),
    ]
    clock.pause(29)
    assert usable(desk.engine, clock) == {}
    clock.pause(1)
    assert usable(desk.engine, clock) == dict(zip(("progress", "mix"), slack.files, strict=True))


def test_only_what_shows_something_else_is_uploaded_anew(
    desk: Context, clock: Clock, slack: Slack, refresh: Refresh
) -> None:
    fill_two_weeks(desk.engine)
    label(desk.engine)
    refresh()
    assert refresh() == []
    label(desk.engine, after=DAY)
    assert refresh() == ["progress"]
    decide(desk.engine, AT, "track_order", 90)
    assert refresh() == []  # of today
    decide(desk.engine, YESTERDAY, "track_order", 90)
    assert refresh() == ["mix"]
    clock.pause(30)
    assert set(usable(desk.engine, clock).values()) == {*slack.files} - {*list(slack.files)[:2]}


def test_a_bot_without_labels_turns_or_a_classifier_has_no_pictures(
    desk: Context, slack: Slack, refresh: Refresh
) -> None:
    assert refresh() == []
    decide(desk.engine, AT, "refund", 200)
    put_in_force(desk.engine, 7)
    assert (refresh(), slack.files) == ([], {})


def test_a_bot_without_a_channel_has_none(desk: Context, slack: Slack, refresh: Refresh) -> None:
    label(desk.engine)
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel="")
    assert (refresh(), slack.calls) == ([], [])


def test_the_missing_scope_is_said_once_and_everything_else_goes_on(
    desk: Context, clock: Clock, slack: Slack, client: PatientClient, refresh: Refresh
) -> None:
    label(desk.engine)
    slack.scopes.remove("files:write")
    for _ in range(3):
        assert refresh() == []
        clock.pause(3600)
    with database.reading(desk.engine) as connection:
        (trouble,) = troubles(connection)
    assert trouble.saw.startswith("Slack refuses files.getUploadURLExternal: missing_scope, since")
    assert slack.calls.count("files.getUploadURLExternal") == 1
    client.chat_postMessage(channel=CHANNEL, text="a card")
    slack.scopes.add("files:write")
    assert refresh() == ["progress"]
    with database.reading(desk.engine) as connection:
        assert troubles(connection) == []


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("fault", ["error", "rate_limited", "error_after", "html"])
def test_what_slack_does_not_take_is_uploaded_by_a_later_run(
    desk: Context, clock: Clock, slack: Slack, refresh: Refresh, method: str, fault: str
) -> None:
    label(desk.engine)
    slack.fail(method, fault)
    assert refresh() == []
    clock.pause(3600)
    assert refresh() == ["progress"]
    clock.pause(30)
    assert usable(desk.engine, clock) == {"progress": list(slack.files)[-1]}


def test_progress_counts_turns_whose_newest_label_is_a_votes(engine: sa.Engine) -> None:
    open_shop(engine)
    label(engine, 2)
    (corrected, undone) = label(engine, 2, after=DAY)
    with database.writing(engine) as connection:
        newer = {"bot": BOT, "use": "train", "at": AT + 3 * DAY, "origin": "vote"}
        rows = [newer | {"turn_id": corrected, "answer": "none"}, newer | {"turn_id": undone, "answer": "undo"}]
        rows.append(newer | {"turn_id": 10**6, "answer": "none", "origin": "import"})
        connection.execute(tables.label.insert(), rows)
    train(engine, 1, "retired", day=0)
    train(engine, 2, "held", day=1, decided=2, ended="held")
    train(engine, 3, "champion", day=2, decided=5, ended="promoted")
    train(engine, 4, "challenger", day=6)
    with database.reading(engine) as connection:
        found = progress.read(connection, BOT)
    day = AT.date()
    assert found == Progress(((day, 2), (day + 3 * DAY, 3)), ((day, 1), (day + 5 * DAY, 3)))


def test_pictures_are_kept_on_both_databases(engine: sa.Engine, clock: Clock) -> None:
    open_shop(engine)
    row = {"bot": BOT, "key": "k", "alt": "in words"}
    with database.writing(engine) as connection:
        rows = [
            row | {"name": "progress", "file_id": "F1", "at": AT},
            row | {"name": "mix", "file_id": "F2", "at": clock.at},
        ]
        connection.execute(tables.slack_picture.insert(), rows)
    assert usable(engine, clock) == {"progress": "F1"}


def test_the_job_draws_and_the_schedule_asks_for_it_where_slack_is_set_up(
    desk: Context, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    label(desk.engine)
    for name in ("data_dir", "database_url", "redis_url", "stream_key", "slack_bot_token", "slack_api_url"):
        monkeypatch.setenv(f"FENCEPOST_{name.upper()}", str(getattr(desk.settings, name)))
    jobs.pictures(BOT)
    assert [file["title"] for file in slack.files.values()] == ["shop-progress"]
    every = {Job.PICTURES: schedule.INTERVAL_S[Job.PICTURES]}
    assert schedule.tick(desk, AT, {}, every) == [(Job.PICTURES, BOT)]
    without = msgspec.structs.replace(desk.settings, slack_bot_token=Secret(""))
    desk.redis.flushall()
    assert schedule.tick(desk._replace(settings=without), AT, {}, every) == []
