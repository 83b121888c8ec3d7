"""`fencepost slack doctor`: each fault is named, with its mend, and no token is."""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from click.testing import CliRunner, Result

from integrations.slack import manifest, people
from integrations.slack.doctor import examine
from integrations.slack.people import SlackRole
from service import clock, database
from service.bots.store import create_bot, update_bot
from service.cli import cli
from service.context import Context
from service.health import Check
from service.settings import Secret
from tests.support import slack as stand_in
from tests.support.shop import AT, BOT, deal, open_shop
from tests.support.slack import CHANNEL, Slack


@pytest.fixture
def slack() -> Iterator[Slack]:
    with stand_in.running() as workspace:
        yield workspace


@pytest.fixture
def healthy(context: Context, slack: Slack) -> Context:
    """The shop in its channel, a group with a role, tokens with the manifest's scopes: nothing is wrong."""
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel=CHANNEL)
        people.add(connection, BOT, "S1", "reviewer", AT, who="Ana")
    slack.groups = {"S1": ["U1", "U2"]}
    slack.scopes = set(manifest.scopes(user_groups=True))
    return set_up(
        context,
        slack_bot_token=Secret(stand_in.BOT_TOKEN),
        slack_app_token=Secret(stand_in.APP_TOKEN),
        slack_api_url=f"{slack.url}/api",
    )


def set_up(context: Context, **settings: str) -> Context:
    return context._replace(settings=msgspec.structs.replace(context.settings, **settings))


def wrong(context: Context) -> list[tuple[str, str, str]]:
    """(what, what was seen, the mend) of every check that is not ok."""
    return [(check.name, check.saw, check.mend) for check in examine(context) if check.level != "ok"]


def test_nothing_is_wrong_with_a_healthy_installation(healthy: Context, slack: Slack) -> None:
    found = list(examine(healthy))
    assert found == [
        Check("bot token", "ok", f"fencepost in the workspace test ({slack.url})"),
        Check("app token", "ok", "Socket Mode is open to us; `fencepost slack run` answers"),
        Check("clock", "ok", found[2].saw),  # in seconds, by the wall clock
        Check("scopes", "ok", "all that the manifest asks for"),
        Check("shop: channel", "ok", f"{CHANNEL}: fencepost is a member"),
        Check("user group S1", "ok", "2 members"),
    ]
    assert set(slack.calls) == {
        "auth.test",
        "apps.connections.open",
        "conversations.history",
        "usergroups.users.list",
    }


@pytest.mark.parametrize(
    ("setting", "value", "name", "saw"),
    [
        ("slack_bot_token", "", "bot token", "FENCEPOST_SLACK_BOT_TOKEN is not set"),
        ("slack_bot_token", "xoxb-made-up", "bot token", "invalid_auth"),
        ("slack_app_token", stand_in.BOT_TOKEN, "app token", "not_allowed_token_type"),
        ("slack_app_token", "xapp-made-up", "app token", "invalid_auth"),
        ("slack_api_url", "http://127.0.0.1:9/api", "bot token", "no answer, URLError"),
        ("slack_api_url", "slack.com/api", "bot token", "no answer, ValueError"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said(healthy: Context, setting: str, value: str, name: str, saw: str) -> None:
    found = wrong(set_up(healthy, **{setting: Secret(value)}))
    assert (name, saw) in [(one[0], one[1]) for one in found]
    assert all(mend for _, _, mend in found)


@pytest.mark.parametrize("setting", ["slack_bot_token", "slack_app_token"])
@pytest.mark.parametrize("value", ["xox-line\nbreak", "xox-foreign-é", "xox-space "])
def test_a_token_that_cannot_be_sent_is_named_by_its_setting_and_never_quoted(
    healthy: Context, setting: str, value: str
) -> None:
    result = run(set_up(healthy, **{setting: Secret(value)}))
    assert f"FENCEPOST_{setting.upper()} holds a space, a line break or a foreign letter" in result.output
    assert (result.exit_code, "xox-" in result.output) == (1, False)


def test_a_user_token_is_told_from_a_bot_token(healthy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.slack.api.BOT_ID", "")
    assert [(name, saw) for name, saw, _ in wrong(healthy)] == [("bot token", "it is a token of the user fencepost")]


def test_a_revoked_token_stops_what_needs_it(healthy: Context, slack: Slack) -> None:
    slack.token_error = "token_revoked"
    assert [(name, saw) for name, saw, _ in wrong(healthy)] == [
        ("bot token", "token_revoked"),
        ("app token", "token_revoked"),
    ]


def test_without_an_app_token_the_signing_secret_is_looked_for(healthy: Context) -> None:
    without = set_up(healthy, slack_app_token=Secret(""))
    assert [name for name, _, _ in wrong(without)] == ["signing secret"]
    assert wrong(set_up(without, slack_signing_secret=Secret(stand_in.SIGNING_SECRET))) == []


@pytest.mark.parametrize(("seconds", "saw"), [(120, "120 s ahead of Slack's"), (-90, "90 s behind Slack's")])
def test_a_clock_that_is_off_is_named(healthy: Context, seconds: int, saw: str) -> None:
    found = examine(healthy, lambda: clock.now() + timedelta(seconds=seconds))
    off = next(check for check in found if check.name == "clock")
    assert (off.level, abs(int(off.saw.split()[0]) - abs(seconds)) <= 1) == ("wrong", True)
    assert off.saw.partition(" s ")[2] == saw.partition(" s ")[2]


def test_missing_scopes_are_listed(healthy: Context, slack: Slack) -> None:
    slack.scopes = {"chat:write", "channels:history"}
    found = {name: saw for name, saw, _ in wrong(healthy)}
    assert found == {
        "scopes": "missing: commands, groups:history, files:write, usergroups:read",
        "user group S1": "missing_scope",
    }


@pytest.mark.parametrize(
    ("fault", "mend"),
    [
        ("not_in_channel", "say `/invite @fencepost` there"),
        ("channel_not_found", "mend the id; where the channel is private, say `/invite @fencepost` there"),
        ("missing_scope", "see scopes: channels:history for a public channel, groups:history for a private one"),
    ],
)
def test_a_channel_that_cannot_be_read_is_named_with_its_mend(
    healthy: Context, slack: Slack, fault: str, mend: str
) -> None:
    slack.fail("conversations.history", fault)
    assert wrong(healthy) == [("shop: channel", f"{CHANNEL}: {fault}", mend)]


def test_a_channel_by_name_and_bots_without_one_are_seen(healthy: Context) -> None:
    with database.writing(healthy.engine) as connection:
        create_bot(connection, "bank", AT)
        update_bot(connection, BOT, AT, slack_channel="#support")
    assert [(name, saw) for name, saw, _ in wrong(healthy)] == [("shop: channel", "#support is a name, not an id")]
    with database.writing(healthy.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel="")
    assert [(name, saw) for name, saw, _ in wrong(healthy)] == [("channels", "no bot has one")]


def test_groups_that_are_empty_or_gone_are_named(healthy: Context, slack: Slack) -> None:
    slack.groups["S1"] = []
    with database.writing(healthy.engine) as connection:
        people.add(connection, BOT, "S2", "reviewer", AT, who="Ana")
    assert [(name, saw) for name, saw, _ in wrong(healthy)] == [
        ("user group S1", "nobody is in it"),
        ("user group S2", "no_such_subteam"),
    ]


@pytest.mark.parametrize("role", ["adjudicator", "owner"])
def test_cards_that_nobody_in_slack_may_decide_are_said_and_are_no_fault(healthy: Context, role: SlackRole) -> None:
    deal(healthy.engine, "text", purpose="audit", status="adjudicate")
    mend = "decide them in the console, or `fencepost slack people add shop U… --role adjudicator`"
    assert wrong(healthy) == [("shop: adjudicators", "nobody in Slack is one, and 1 card waits for one", mend)]
    assert run(healthy).exit_code == 0
    with database.writing(healthy.engine) as connection:
        people.add(connection, BOT, "U7", role, AT, who="Ana")
    assert wrong(healthy) == []


def run(context: Context, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["slack", "doctor", *arguments], obj=context.settings, env={"COLUMNS": "300"})


def test_the_command_prints_a_line_for_each_check_and_exits_1_when_one_is_wrong(healthy: Context, slack: Slack) -> None:
    well = run(healthy)
    assert (well.exit_code, [line.split()[0] for line in well.output.splitlines()]) == (0, ["ok"] * 6)
    slack.fail("conversations.history", "not_in_channel")
    ill = run(healthy)
    line = f"wrong    shop: channel: {CHANNEL}: not_in_channel → say `/invite @fencepost` there"
    assert (ill.exit_code, line in ill.output.splitlines()) == (1, True)
    printed = run(healthy, "--json", "-")
    assert msgspec.json.decode(printed.output, type=list[Check])[4].name == "shop: channel"
    assert not any(stand_in.BOT_TOKEN in one.output or stand_in.APP_TOKEN in one.output for one in (well, ill, printed))
