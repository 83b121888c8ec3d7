"""Roles from Slack: users and user groups listed for a bot, on both databases; what a click without a role does."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from integrations.slack import blocks, jobs, listeners, people
from integrations.slack.desk import Desk, open_desk
from integrations.slack.people_sync import sync
from service import database, tables
from service.access.roles import Role
from service.bots.store import update_bot
from service.cli import cli
from service.context import Context
from service.errors import BadInput, BotNotFound, FencepostError, Forbidden, NotFound
from service.jobs import Job
from service.reviews import store
from service.reviews.schemas import Reviewer
from service.reviews.views import view
from service.settings import Secret
from tests.support import slack as stand_in
from tests.support.shop import AT, BOT, deal, open_shop
from tests.support.slack import CHANNEL, Json, Slack
from workers import schedule


def add(engine: sa.Engine, subject: str, role: Any, bot: str = BOT) -> None:
    with database.writing(engine) as connection:
        people.add(connection, bot, subject, role, AT, who="Ana")


def members(engine: sa.Engine, group: str, *users: str) -> None:
    with database.writing(engine) as connection:
        people.set_members(connection, group, users)


def role(engine: sa.Engine, user: str, bot: str = BOT) -> Role | None:
    with database.reading(engine) as connection:
        return people.role_of(connection, bot, user)


def reviewer(engine: sa.Engine, user: str) -> Reviewer | None:
    with database.reading(engine) as connection:
        return people.reviewer(connection, BOT, user)


def test_where_nobody_is_listed_everybody_is_a_reviewer_and_nobody_more(engine: sa.Engine) -> None:
    open_shop(engine)
    assert (role(engine, "U1"), reviewer(engine, "U1")) == ("reviewer", Reviewer("slack:U1"))
    with database.reading(engine) as connection, pytest.raises(Forbidden):
        people.principal_of(connection, BOT, "U1", "adjudicator")


def test_where_anybody_is_listed_nobody_else_has_a_role(engine: sa.Engine) -> None:
    open_shop(engine)
    open_shop(engine, "bank")
    for user, given in [("U1", "reader"), ("U2", "reviewer"), ("U3", "adjudicator"), ("U4", "owner")]:
        add(engine, user, given)
    assert [reviewer(engine, f"U{n}") for n in range(1, 6)] == [
        None,
        Reviewer("slack:U2"),
        Reviewer("slack:U3", adjudicates=True),
        Reviewer("slack:U4", adjudicates=True),
        None,
    ]
    assert [role(engine, user) for user in ("U1", "U5")] == ["reader", None]
    assert role(engine, "U5", "bank") == "reviewer"


def test_the_highest_of_several_roles_counts(engine: sa.Engine) -> None:
    open_shop(engine)
    add(engine, "S1", "reviewer")
    add(engine, "S2", "owner")
    add(engine, "U1", "adjudicator")
    members(engine, "S1", "U1", "U2")
    members(engine, "S2", "U2")
    members(engine, "S3", "U3")  # a group of another bot
    assert [role(engine, f"U{n}") for n in (1, 2, 3)] == ["adjudicator", "owner", None]


def test_who_leaves_a_group_loses_its_role(engine: sa.Engine) -> None:
    open_shop(engine)
    add(engine, "S1", "reviewer")
    members(engine, "S1", "U1", "U2")
    members(engine, "S1", "U2", "U3")
    assert [role(engine, f"U{n}") for n in (1, 2, 3)] == [None, "reviewer", "reviewer"]
    members(engine, "S1")
    assert role(engine, "U2") is None


def test_adding_again_changes_the_role_and_removing_the_last_opens_the_bot(engine: sa.Engine) -> None:
    open_shop(engine)
    add(engine, "U1", "owner")
    add(engine, "U1", "reader")
    assert (role(engine, "U1"), role(engine, "U2")) == ("reader", None)
    with database.writing(engine) as connection:
        people.remove(connection, BOT, "U1", AT, who="Ana")
    assert role(engine, "U2") == "reviewer"
    with database.reading(engine) as connection:
        changes = sa.select(tables.audit_log.c.action, tables.audit_log.c.details)
        done = connection.execute(changes.where(tables.audit_log.c.action.like("slack-role.%"))).all()
    assert [tuple(row) for row in done] == [
        ("slack-role.set", {"subject": "U1", "role": "owner"}),
        ("slack-role.set", {"subject": "U1", "role": "reader"}),
        ("slack-role.remove", {"subject": "U1"}),
    ]


@pytest.mark.parametrize(
    ("bot", "subject", "error"),
    [(BOT, "@ana", BadInput), (BOT, "u1", BadInput), (BOT, "C1", BadInput), ("bank", "U1", BotNotFound)],
)
def test_what_is_no_user_and_no_group_is_refused(
    sqlite_engine: sa.Engine, bot: str, subject: str, error: type[FencepostError]
) -> None:
    open_shop(sqlite_engine)
    with pytest.raises(error):
        add(sqlite_engine, subject, "reviewer", bot)


def test_removing_somebody_who_is_not_listed_is_an_error(sqlite_engine: sa.Engine) -> None:
    open_shop(sqlite_engine)
    with pytest.raises(NotFound), database.writing(sqlite_engine) as connection:
        people.remove(connection, BOT, "U1", AT, who="Ana")


@pytest.fixture
def slack() -> Iterator[Slack]:
    with stand_in.running() as workspace:
        yield workspace


@pytest.fixture
def desk(context: Context, slack: Slack) -> Desk:
    """The shop, its channel set, and settings that point at the stand-in."""
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel=CHANNEL)
    settings = msgspec.structs.replace(
        context.settings, slack_bot_token=Secret(stand_in.BOT_TOKEN), slack_api_url=f"{slack.url}/api"
    )
    return open_desk(context._replace(settings=settings))


def shown(desk: Desk, card: str) -> Json:
    """The card's message, which nobody redraws: it is not known to have been posted."""
    with database.reading(desk.context.engine) as connection:
        message = blocks.card(view(connection, store.get_card(connection, BOT, card)))
    return {"ts": "1767225600.000100", "text": message.text, "blocks": list(message.blocks)}


def click(desk: Desk, slack: Slack, user: str, message: Json) -> list[str]:
    """What the user, who clicks on the card, is told."""
    payload: Json = slack.click(user, message, "refund")
    listeners.on_click(lambda: None, payload, desk)  # type: ignore[arg-type]  # an ack that goes nowhere
    return [told["text"] for told in slack.ephemerals if told["user"] == user]


def voters(desk: Desk) -> list[str]:
    with database.reading(desk.context.engine) as connection:
        return list(connection.scalars(sa.select(tables.vote.c.reviewer)))


def test_a_click_without_the_role_is_answered_kindly_and_is_no_vote(desk: Desk, slack: Slack) -> None:
    message = shown(desk, deal(desk.context.engine, "text"))
    add(desk.context.engine, "U1", "reviewer")
    add(desk.context.engine, "U2", "reader")
    told = "Your click was not counted: this takes a reviewer of shop: please ask its owner to add you"
    assert [click(desk, slack, user, message) for user in ("U2", "U3")] == [[f"{told} (U2)."], [f"{told} (U3)."]]
    assert voters(desk) == []
    assert click(desk, slack, "U1", message) == []
    assert voters(desk) == ["slack:U1"]


def test_an_adjudicator_from_slack_decides_what_a_reviewer_may_not(desk: Desk, slack: Slack) -> None:
    card = deal(desk.context.engine, "text")
    message = shown(desk, card)
    with database.writing(desk.context.engine) as connection:
        connection.execute(sa.update(tables.card).where(tables.card.c.id == card).values(status="adjudicate"))
    add(desk.context.engine, "U1", "reviewer")
    add(desk.context.engine, "U2", "adjudicator")
    assert len(click(desk, slack, "U1", message)) == 1
    assert click(desk, slack, "U2", message) == []
    assert voters(desk) == ["slack:U2"]


def test_a_group_that_slack_will_not_show_keeps_its_members_and_one_that_is_gone_loses_them(
    desk: Desk, slack: Slack
) -> None:
    engine = desk.context.engine
    for group in ("S1", "S2", "S3"):
        add(engine, group, "reviewer")
        members(engine, group, f"U{group}")
    slack.groups = {"S1": ["U1", "U2"]}
    slack.fail("usergroups.users.list", "error")
    assert sync(engine, desk.client, BOT) == {"S1": "internal_error", "S2": 0, "S3": 0}
    assert [role(engine, user) for user in ("US1", "US2", "US3")] == ["reviewer", None, None]
    assert sync(engine, desk.client, BOT) == {"S1": 2, "S2": 0, "S3": 0}
    assert [role(engine, user) for user in ("US1", "U1", "U2")] == [None, "reviewer", "reviewer"]


def test_the_job_reads_the_groups_and_the_schedule_asks_for_it_where_slack_is_set_up(
    desk: Desk, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(desk.context.engine, "S1", "reviewer")
    slack.groups = {"S1": ["U1"]}
    for name in ("data_dir", "database_url", "redis_url", "stream_key", "slack_bot_token", "slack_api_url"):
        monkeypatch.setenv(f"FENCEPOST_{name.upper()}", str(getattr(desk.context.settings, name)))
    jobs.people(BOT)
    assert role(desk.context.engine, "U1") == "reviewer"
    every = {Job.PEOPLE: schedule.INTERVAL_S[Job.PEOPLE]}
    assert schedule.tick(desk.context, AT, {}, every) == [(Job.PEOPLE, BOT)]
    without = msgspec.structs.replace(desk.context.settings, slack_bot_token=Secret(""))
    desk.context.redis.flushall()
    assert schedule.tick(desk.context._replace(settings=without), AT, {}, every) == []


def run(desk: Desk, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["slack", "people", *arguments], obj=desk.context.settings)


def test_people_are_listed_from_the_terminal(desk: Desk, slack: Slack) -> None:
    slack.groups = {"S1": ["U1", "U2"]}
    assert run(desk, "list", BOT).output == "Nobody is listed: everybody in the channel may answer cards of shop.\n"
    assert run(desk, "add", BOT, "U9", "--role", "owner").output == (
        "U9 is owner of shop.\nFrom now on only those listed may answer cards of shop.\n"
    )
    assert run(desk, "add", BOT, "S1", "--role", "reviewer").output == "S1 is reviewer of shop.\nshop: S1: 2 members\n"
    assert run(desk, "list", BOT).output == "id  role      members\nS1  reviewer  2\nU9  owner     -\n"
    assert msgspec.json.decode(run(desk, "list", BOT, "--json", "-").output) == [
        {"bot": BOT, "subject": "S1", "role": "reviewer", "members": 2},
        {"bot": BOT, "subject": "U9", "role": "owner", "members": None},
    ]
    slack.groups["S1"].append("U3")
    assert run(desk, "sync").output == "shop: S1: 3 members\n"
    slack.fail("usergroups.users.list", "error")
    failed = "shop: S1: not read (internal_error): `fencepost slack doctor` says the mend\n"
    assert run(desk, "sync", BOT).stderr.endswith(failed)
    assert run(desk, "remove", BOT, "S1").output == "S1 has no role of shop any more.\n"
    assert run(desk, "remove", BOT, "U9").output.endswith("everybody in the channel may answer cards of shop.\n")
    refused = run(desk, "remove", BOT, "U9")
    assert (refused.exit_code, "does not list 'U9'" in refused.output) == (1, True)
