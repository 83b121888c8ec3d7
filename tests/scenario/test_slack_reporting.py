"""The message shortcut "Report wrong intent": on cards, and on messages of a chatbot that lives in Slack."""

import doctest
import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from slack_bolt import BoltRequest

from integrations.slack import apps, people
from integrations.slack.app import create_bolt
from integrations.slack.apps import ChatApp
from integrations.slack.client import posting
from integrations.slack.dispatch import dispatch
from integrations.slack.listeners.report import THANKS
from service import database, tables
from service.bots.store import update_bot
from service.cli import cli
from service.context import Context
from service.reports.store import TurnReport, reports_on_turns
from service.settings import Secret
from service.streams import PENDING
from service.turns.rules import person
from tests.support import slack as stand_in
from tests.support.shop import AT, BOT, add_turn, deal, open_shop
from tests.support.slack import CHANNEL, Json, Slack, options_of

Act = Callable[[Json], Json]
CHATBOT = "A0CHAT"


@pytest.fixture
def slack() -> Iterator[Slack]:
    with stand_in.running() as workspace:
        yield workspace


@pytest.fixture
def shop(context: Context, slack: Slack) -> Context:
    """A shop with one card in its channel."""
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel=CHANNEL)
    settings = msgspec.structs.replace(
        context.settings, slack_bot_token=Secret(stand_in.BOT_TOKEN), slack_api_url=f"{slack.url}/api"
    )
    deal(context.engine, "where is my parcel")
    dispatch(posting(settings, context.engine), BOT)
    return context._replace(settings=settings)


@pytest.fixture
def act(shop: Context, slack: Slack) -> Act:
    """Send what somebody did; the app's answer, which Slack has acted on."""
    bolt = create_bolt(shop)
    bolt.listener_runner.process_before_response = True

    def send(payload: Json) -> Json:
        response = bolt.dispatch(BoltRequest(body=json.loads(json.dumps(payload)), mode="socket_mode"))
        assert response.status == 200
        answer: Json = json.loads(response.body) if response.body.startswith("{") else {}
        if payload["type"] == "view_submission":
            slack.answered(payload, answer)
        return answer

    return send


def report(act: Act, slack: Slack, user: str, message: Json, intent: str = "") -> str:
    """What the user is told in the end."""
    act(slack.shortcut(user, message, "report"))
    if intent:
        offered = options_of(act(slack.type_into(user, slack.view(user), intent)))
        slack.fill(user, {"What should the bot have understood?": offered[0]})
    act(slack.submit(user))
    return told(slack, user)


def told(slack: Slack, user: str) -> str:
    text: str = slack.view(user)["blocks"][0]["elements"][0]["text"]
    return text


def labels(slack: Slack, user: str) -> list[str]:
    """The fields of the view on the user's screen."""
    return [block["label"]["text"] for block in slack.view(user)["blocks"] if block["type"] == "input"]


def reports(shop: Context) -> list[TurnReport]:
    with database.reading(shop.engine) as connection:
        return reports_on_turns(connection, BOT)


def test_a_report_on_a_card_names_the_right_intent(shop: Context, slack: Slack, act: Act) -> None:
    (message,) = slack.messages[CHANNEL]
    assert report(act, slack, "U1", message, "refund") == THANKS
    (found,) = reports(shop)
    assert (found.kind, found.intent, found.is_explicit, found.turn_id) == ("correction", "refund", True, 1)
    assert found.person == person(shop.keyring, BOT, "slack:U1")
    assert shop.redis.exists(PENDING.of(BOT, job="reports"))


def test_a_report_may_leave_open_what_was_right_and_counts_once_a_person(shop: Context, slack: Slack, act: Act) -> None:
    (message,) = slack.messages[CHANNEL]
    for user in ("U1", "U1", "U2"):
        assert report(act, slack, user, message) == THANKS
    assert [found.kind for found in reports(shop)] == ["wrong_answer", "wrong_answer"]


def test_of_several_cards_in_a_message_the_person_chooses(shop: Context, slack: Slack, act: Act) -> None:
    other = deal(shop.engine, "give me my money")
    (message,) = slack.messages[CHANNEL]
    with database.writing(shop.engine) as connection:
        message_id = sa.select(tables.message.c.id).scalar_subquery()
        connection.execute(tables.post.insert().values(card_id=other, message_id=message_id))
    block = {"type": "divider", "block_id": f"card:{BOT}:{other}:turn"}
    act(slack.shortcut("U1", message | {"blocks": [*message["blocks"], block]}, "report"))
    slack.fill("U1", {"Which one?": "give me my money"})
    act(slack.submit("U1"))
    assert [found.turn_id for found in reports(shop)] == [2]


def test_who_may_not_read_the_bots_turns_reports_no_card(shop: Context, slack: Slack, act: Act) -> None:
    (message,) = slack.messages[CHANNEL]
    act(slack.shortcut("U2", message, "report"))
    with database.writing(shop.engine) as connection:
        people.add(connection, BOT, "U1", "reader", AT, who="Ana")
    said = "This cannot be reported: this takes a reader of shop: please ask its owner to add you (U2)."
    act(slack.submit("U2"))  # the view was open before
    assert told(slack, "U2") == said
    act(slack.shortcut("U2", message, "report"))
    assert (told(slack, "U2"), reports(shop)) == (said, [])


@pytest.mark.parametrize("of_other", [{"ts": "1767225600.000100"}, {"channel": "C0OTHER"}])
def test_a_message_that_only_says_it_holds_a_card_shows_nothing_of_it(
    shop: Context, slack: Slack, act: Act, of_other: Json
) -> None:
    slack.add_channel("C0OTHER", "other")
    (message,) = slack.messages[CHANNEL]
    payload = slack.shortcut("U1", message | {"ts": of_other.get("ts", message["ts"])}, "report")
    act(payload | {"channel": {"id": of_other.get("channel", CHANNEL), "name": "any"}})
    said = "this is neither a card nor a message of a chatbot that is known here"
    assert told(slack, "U1") == f"This cannot be reported: {said}."


def test_a_card_is_reported_before_it_is_known_to_have_arrived(shop: Context, slack: Slack, act: Act) -> None:
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.message).values(status="sending", ts=""))
    (message,) = slack.messages[CHANNEL]
    assert report(act, slack, "U1", message) == THANKS


def test_a_forgotten_turn_and_other_messages_cannot_be_reported(shop: Context, slack: Slack, act: Act) -> None:
    act(slack.shortcut("U1", slack.say("U2", "hello"), "report"))
    said = "this is neither a card nor a message of a chatbot that is known here"
    assert told(slack, "U1") == f"This cannot be reported: {said}."
    (message, *_) = slack.messages[CHANNEL]
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    act(slack.shortcut("U1", message, "report"))
    assert told(slack, "U1") == "This cannot be reported: this turn was forgotten."


def chat(shop: Context, slack: Slack) -> Json:
    """A turn, and the chatbot's answer to it, in Slack and, under the same name, in its log."""
    with database.writing(shop.engine) as connection:
        apps.add(connection, ChatApp(CHATBOT, BOT, "native"), AT, who="Ana")
    add_turn(shop.engine, "i want it back")
    message = slack.say("UCHAT", "Here is your parcel.", app=CHATBOT)
    reply = {"bot": BOT, "source": "native", "external_id": f"{CHANNEL}:{message['ts']}", "turn_external_id": "t-1"}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.reply.insert(), reply | {"at": AT, "received_at": AT, "intent": "track_order"})
    return message


def test_a_message_of_a_chatbot_in_slack_is_reported_by_anybody_who_talks_with_it(
    shop: Context, slack: Slack, act: Act
) -> None:
    message = chat(shop, slack)
    act(slack.shortcut("U9", message, "report"))
    assert labels(slack, "U9") == []  # which intents there are is for those who work on the bot
    act(slack.submit("U9"))
    (found,) = reports(shop)
    assert (found.kind, found.turn_id, found.bot_intent) == ("wrong_answer", 2, "track_order")


def test_who_has_a_role_names_the_intent_that_the_chatbot_missed(shop: Context, slack: Slack, act: Act) -> None:
    message = chat(shop, slack)
    with database.writing(shop.engine) as connection:
        people.add(connection, BOT, "U1", "reader", AT, who="Ana")
    assert report(act, slack, "U1", message, "refund") == THANKS
    assert [(found.kind, found.intent) for found in reports(shop)] == [("correction", "refund")]


def run(shop: Context, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["slack", "apps", *arguments], obj=shop.settings)


def test_apps_are_mapped_from_the_terminal(context: Context) -> None:
    open_shop(context.engine)
    open_shop(context.engine, "bank")
    for _ in range(2):
        assert run(context, "add", BOT, CHATBOT).output == "A0CHAT is shop, by its source native.\n"
    assert "A0CHAT is mapped already" in run(context, "add", "bank", CHATBOT).output
    assert "has no source 'rasa'" in run(context, "add", BOT, "A1", "--source", "rasa").output
    assert "no id of a Slack app" in run(context, "add", BOT, "U1").output
    assert run(context, "list").output == "app     bot   source\nA0CHAT  shop  native\n"
    assert msgspec.json.decode(run(context, "list", "--json", "-").output) == [
        {"app_id": "A0CHAT", "bot": BOT, "source": "native"}
    ]
    assert run(context, "remove", CHATBOT).output == "A0CHAT is shop no more.\n"
    assert run(context, "remove", CHATBOT).exit_code == 1


def test_the_examples_are_true() -> None:
    assert doctest.testmod(apps).failed == 0
