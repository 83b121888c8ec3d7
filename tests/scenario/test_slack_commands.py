"""`/fencepost …`: signed commands into the real Bolt app, and what only the person who typed them sees."""

import doctest
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa
from slack_bolt import BoltRequest

from integrations.slack import drift_words, people, slash_words
from integrations.slack.app import create_bolt
from integrations.slack.blocks import frames
from integrations.slack.blocks.frames import FRAME, size
from service import clock, database, tables
from service.bots.store import create_bot, update_bot
from service.context import Context
from service.intents.store import create_intents
from service.reviews import voting
from service.reviews.rules import resolve_votes
from service.reviews.schemas import Reviewer, Vote
from service.settings import Secret
from tests.support import slack as stand_in
from tests.support.channel import eventually
from tests.support.decided import decide, put_in_force
from tests.support.shop import AT, BOT, add_card, add_turn, deal, open_shop
from tests.support.slack import CHANNEL, Json, Slack, problems, signed

NASTY = "<@U123> <!channel> *bold* https://evil.test <https://evil.test|refund> &amp; :boom: @here"
Say = Callable[..., str]


@pytest.fixture
def slack() -> Iterator[Slack]:
    with stand_in.running() as workspace:
        workspace.add_channel("C0OTHER", "other")
        yield workspace


@pytest.fixture
def shop(context: Context, slack: Slack) -> Context:
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel=CHANNEL)
    settings = msgspec.structs.replace(
        context.settings,
        slack_bot_token=Secret(stand_in.BOT_TOKEN),
        slack_signing_secret=Secret(stand_in.SIGNING_SECRET),
        slack_api_url=f"{slack.url}/api",
    )
    return context._replace(settings=settings)


@pytest.fixture
def send(shop: Context, slack: Slack) -> Callable[..., Json]:
    """Type the command; the answer."""
    bolt = create_bolt(shop)

    def send(text: str, user: str = "U1", channel: str = CHANNEL) -> Json:
        body, headers = signed(slack.command(user, "/fencepost", text, channel))
        done = bolt.dispatch(BoltRequest(body=body.decode(), headers=dict(headers)))
        assert done.status == 200
        answer: Json = json.loads(done.body) if done.body.startswith("{") else {"text": done.body}
        return answer

    return send


@pytest.fixture
def ask(send: Callable[..., Json], slack: Slack) -> Callable[..., Json]:
    """Type the command; the answer to it, in the ack or after it, once it passed Slack's checks."""

    def ask(text: str, user: str = "U1", channel: str = CHANNEL) -> Json:
        before = len(slack.ephemerals)
        answer = send(text, user, channel)
        if not answer["text"]:
            eventually(lambda: len(slack.ephemerals) > before)
            answer = slack.ephemerals[-1] | {"response_type": "ephemeral"}
        assert (answer["response_type"], problems(answer["blocks"])) == ("ephemeral", [])
        return answer

    return ask


@pytest.fixture
def say(ask: Callable[..., Json]) -> Say:
    """Type the command; the words of the answer."""

    def say(text: str, user: str = "U1", channel: str = CHANNEL) -> str:
        (block,) = ask(text, user, channel)["blocks"]
        elements = [element for section in block["elements"] for element in section["elements"]]
        assert {element["type"] for element in elements} == {"text"}
        return "".join(element["text"] for element in elements).rstrip()

    return say


def give(engine: sa.Engine, subject: str, role: people.SlackRole) -> None:
    with database.writing(engine) as connection:
        people.add(connection, BOT, subject, role, AT, who="Ana")


def test_help_is_the_default_and_lists_what_there_is(say: Say) -> None:
    told = say("").splitlines()
    assert [line.split()[1].rstrip(":") for line in told] == ["review", "stats", "budget", "why", "drift", "help"]
    assert say("HELP").splitlines() == say("  ").splitlines() == told


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("statz shop", "There is no /fencepost statz. Did you mean /fencepost stats?"),
        ("<@U2>", "There is no /fencepost <@U2>."),
    ],
)
def test_an_unknown_subcommand_is_answered_by_the_nearest_and_the_list(say: Say, typed: str, first: str) -> None:
    told = say(typed).splitlines()
    assert (told[0], len(told)) == (first, 7)


def test_drift_says_what_moved_and_how_far_that_is_beyond_chance(shop: Context, say: Say) -> None:
    put_in_force(shop.engine, 7)
    week_ago = AT - timedelta(days=7)
    for at, intents in {week_ago: {"refund": 100, "track_order": 300}, AT: {"refund": 250, "track_order": 250}}.items():
        for intent, turns in intents.items():
            decide(shop.engine, at, intent, turns)
    decide(shop.engine, AT, "refund", 3, n=6)
    assert say("drift shop").splitlines() == [
        "What people asked of shop, 500 turns of 2026-02-23 09:15 to 2026-03-02 09:15 UTC, against"
        " 400 turns of 2026-02-16 09:15 to 2026-02-23 09:15 UTC, as classifier 7 decides it:",
        "refund: 25.0 % before, 50.0 % now: +25.0 points (+18.8 to +30.9).",
        "track_order: 75.0 % before, 50.0 % now: -25.0 points (-30.9 to -18.8).",
        "The whole mix: PSI 0.273, of which chance alone makes 0.004;"
        " Jensen-Shannon 0.049 bits, of which chance makes 0.001.",
        "3 more turns of these days do not count: classifier 7 has not decided them.",
    ]


def test_drift_names_nothing_that_chance_explains(shop: Context, say: Say) -> None:
    put_in_force(shop.engine, 7)
    for at, turns in {AT - timedelta(days=7): 100, AT: 115}.items():
        decide(shop.engine, at, "refund", turns)
        decide(shop.engine, at, "none", 100)
    told = say("drift").splitlines()
    assert (len(told), told[1]) == (3, "No intent moved for certain.")


def test_of_many_moves_ten_are_told(shop: Context, say: Say) -> None:
    put_in_force(shop.engine, 7)
    with database.writing(shop.engine) as connection:
        create_intents(connection, BOT, {f"new_{n:02}": "" for n in range(12)}, AT)
    decide(shop.engine, AT - timedelta(days=7), "refund", 1000)
    for n in range(12):
        decide(shop.engine, AT, f"new_{n:02}", 50)
    told = say("drift").splitlines()
    assert (told[1][:7], told[10][:6], told[11]) == ("refund:", "new_08", "And 3 more.")


def test_drift_is_measured_after_the_ack_and_says_why_it_is_not_known(
    send: Callable[..., Json], slack: Slack, say: Say
) -> None:
    assert send("drift") == {"text": ""}
    eventually(lambda: len(slack.ephemerals) == 1)
    assert say("drift") == "Drift of shop is not known: no classifier is in force yet."


def test_stats_are_counted_after_the_ack(send: Callable[..., Json], slack: Slack) -> None:
    assert send("stats") == {"text": ""}
    eventually(lambda: len(slack.ephemerals) == 1)
    assert slack.ephemerals[0]["user"] == "U1"


def test_stats_and_budget_count_answers_of_this_week(shop: Context, say: Say) -> None:
    cards = [deal(shop.engine, f"text {n}") for n in range(4)]
    for n, (card, name) in enumerate(zip(cards, ["slack:U1", "slack:U1", "Ana"], strict=False)):
        answer = Vote(answer="none", click_id=f"c-{n}")
        voting.cast(shop, BOT, card, Reviewer(name), answer, surface="slack")
    with database.writing(shop.engine) as connection:
        first = tables.vote.c.click_id == "c-0"
        connection.execute(sa.update(tables.vote).where(first).values(at=clock.now() - timedelta(days=2)))
    resolve_votes(shop, BOT)
    assert say("stats") == (
        "Your answers for shop: 1 in the last day, 2 in the last week.\n"
        "Your team's: 3 in the last week. Open cards: 1.\n"
        "Turns labelled by votes: 3. Classifier in force: none yet."
    )
    spent = "In the last seven days: 3 given, 1 asked for, 496 left."
    assert say("budget shop") == f"shop's budget is 500 answers a week. {spent}"


def test_a_spent_budget_says_when_there_is_room_again(shop: Context, say: Say) -> None:
    with database.writing(shop.engine) as connection:
        update_bot(connection, BOT, AT, weekly_budget=1)
    voting.cast(shop, BOT, deal(shop.engine, "text"), Reviewer("Ana"), Vote(answer="none", click_id="c"), surface="api")
    with database.reading(shop.engine) as connection:
        at = connection.scalar(sa.select(tables.vote.c.at))
    assert at is not None
    again = at + timedelta(days=7)
    assert say("budget").splitlines()[1] == f"There is room again from {again:%Y-%m-%d %H:%M} UTC on."


def test_why_tells_what_was_made_of_a_turn(shop: Context, say: Say) -> None:
    turn = add_turn(shop.engine, "where is my parcel")
    card = add_card(shop.engine, turn)
    with database.writing(shop.engine) as connection:
        mark = {"bot": BOT, "turn_id": turn, "kind": "boundary", "value": 0.9, "at": AT}
        connection.execute(tables.mark.insert(), mark)
        scores = {"best_id": 3, "second_id": 1, "intent_id": 3, "p1": 0.41, "p2": 0.39, "uncertainty": 0.98}
        connection.execute(tables.prediction.insert(), {"turn_id": turn, "n": 2, "bot": BOT, **scores})
        report = {"bot": BOT, "source": "native", "external_id": "r", "turn_external_id": "t-0", "at": AT}
        connection.execute(tables.report.insert(), report | {"kind": "thumbs_down", "received_at": AT})
    for n, name in enumerate(["refund", "track_order"]):
        vote = Vote(answer="intent", intent=name, click_id=f"c-{n}")
        voting.cast(shop, BOT, card, Reviewer("Ana"), vote, surface="console")
    assert say(f"why {turn}").splitlines() == [
        f"Turn {turn} of shop, 2026-03-02 09:15 UTC: “where is my parcel”",
        "The bot took it for track_order.",
        "Classifier 2: 41 % track_order / 39 % refund.",
        "Why it is interesting: between two intents.",
        "Reports: 1 × thumbs down.",
        "Answers: track_order.",
    ]


def test_why_of_the_longest_turn_fits_in_a_frame(shop: Context, ask: Callable[..., Json]) -> None:
    turn = add_turn(shop.engine, "💸" * 4000)
    answer = ask(f"why {turn}")
    assert (size(answer) < FRAME, len(answer["blocks"][0]["elements"])) == (True, 2)


def test_why_withholds_everything_while_a_blind_card_is_open(shop: Context, say: Say) -> None:
    turn = add_turn(shop.engine, "text")
    card = add_card(shop.engine, turn, purpose="audit")
    withheld = f"Turn {turn} of shop, 2026-03-02 09:15 UTC: “text”\n{slash_words.WITHHELD}"
    assert say(f"why #{turn}") == withheld
    voting.cast(shop, BOT, card, Reviewer("Ana"), Vote(answer="none", click_id="c"), surface="console")
    assert "Answers: none of these." in say(f"why {turn}")


def test_why_of_a_forgotten_turn_says_so(shop: Context, say: Say) -> None:
    turn = add_turn(shop.engine, "my secret")
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    assert say(f"why {turn}").splitlines()[0].endswith("UTC: it was forgotten")


@pytest.mark.parametrize("typed", ["why", "why me", "why -1", "why 1 2", "why ²", f"why {10**30}"])
def test_why_of_no_number_says_what_it_takes(say: Say, typed: str) -> None:
    assert say(typed) == "This takes a turn's number: /fencepost why 12."


def test_why_of_an_unknown_turn(say: Say) -> None:
    assert say("why 12") == "There is no turn 12."


def test_nothing_in_an_answer_can_act(shop: Context, ask: Callable[..., Json]) -> None:
    turn = add_turn(shop.engine, NASTY)
    answer = ask(f"why {turn}")
    assert NASTY in answer["blocks"][0]["elements"][0]["elements"][0]["text"]
    assert "<" not in answer["text"]


def test_the_longest_turn_keeps_slacks_limits(shop: Context, ask: Callable[..., Json]) -> None:
    answer = ask(f"why {add_turn(shop.engine, '<' * 4000)}")
    assert all(len(one["elements"][0]["text"]) <= 3000 for one in answer["blocks"][0]["elements"])


@pytest.mark.parametrize("typed", ["stats", "budget shop", "why 1", "drift", "review"])
def test_who_has_no_role_is_told_whom_to_ask(
    shop: Context, slack: Slack, send: Callable[..., Json], typed: str
) -> None:
    add_turn(shop.engine, "my secret")
    give(shop.engine, "U2", "owner")
    told = send(typed)["text"]
    assert ("please ask its owner to add you (U1)." in told, "my secret" in told, slack.views) == (True, False, {})


def test_a_reader_may_read_anywhere_and_not_review(shop: Context, say: Say, send: Callable[..., Json]) -> None:
    give(shop.engine, "U1", "reader")
    assert say("stats", channel="C0OTHER").startswith("Your answers for shop: 0 in the last day")
    assert "this takes a reviewer of shop" in send("review")["text"]


@pytest.mark.parametrize("typed", ["stats shop", "why 1", "review"])
def test_a_bot_that_lists_nobody_answers_in_its_channel_only(
    shop: Context, slack: Slack, send: Callable[..., Json], typed: str
) -> None:
    add_turn(shop.engine, "my secret")
    told = send(typed, channel="C0OTHER")["text"]
    assert "please ask in the channel of shop" in told.lower()
    assert ("my secret" in told, slack.views) == (False, {})


def test_the_bot_is_the_one_of_the_channel_or_the_one_named(shop: Context, say: Say) -> None:
    with database.writing(shop.engine) as connection:
        create_bot(connection, "bank", AT)
    assert say("stats").startswith("Your answers for shop: ")
    offered = "/fencepost stats bank, /fencepost stats shop."
    assert say("stats", channel="C0OTHER") == f"There are several bots: {offered}"
    assert say("stats nobody") == f"There is no bot 'nobody': {offered}"
    with database.writing(shop.engine) as connection:
        update_bot(connection, "bank", AT, slack_channel=CHANNEL)
    assert say("stats") == f"There are several bots: {offered}"
    assert say("stats bank").startswith("Your answers for bank: ")


def test_the_examples_are_true() -> None:
    assert (
        doctest.testmod(drift_words).failed
        == doctest.testmod(slash_words).failed
        == doctest.testmod(frames).failed
        == 0
    )
