"""Reviewing in Slack's modals: `/fencepost review`, its walk through cards, the small views about one card."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient
from slack_bolt import App, BoltRequest

from integrations.slack import http, people, run
from integrations.slack.app import create_bolt
from integrations.slack.blocks.metadata import sitting_of
from integrations.slack.client import posting
from integrations.slack.dispatch import dispatch
from service import database, tables
from service.app import create_app
from service.bots.store import archive_bot, update_bot
from service.clock import now
from service.context import Context
from service.intents.store import by_name
from service.reviews import voting
from service.reviews.schemas import Reviewer, Vote
from tests.support import channel
from tests.support import slack as stand_in
from tests.support.channel import eventually, votes
from tests.support.shop import AT, BOT, add_card, add_turn, deal, open_shop
from tests.support.slack import CHANNEL, Json, Slack, options_of

Act = Callable[[Json], Json]


@pytest.fixture
def slack() -> Iterator[Slack]:
    with stand_in.running() as workspace:
        yield workspace


@pytest.fixture
def bolt(desk: Context) -> App:
    """An app whose listeners have ended when it answers."""
    app = create_bolt(desk)
    app.listener_runner.process_before_response = True
    return app


@pytest.fixture
def act(bolt: App, slack: Slack) -> Act:
    """Send what somebody did; the app's answer, which Slack has acted on."""

    def send(payload: Json) -> Json:
        response = bolt.dispatch(BoltRequest(body=json.loads(json.dumps(payload)), mode="socket_mode"))
        assert response.status == 200
        answer: Json = json.loads(response.body) if response.body.startswith("{") else {"text": response.body}
        if payload.get("type") == "view_submission":
            slack.answered(payload, {} if answer == {"text": ""} else answer)
        return answer

    return send


@pytest.fixture
def review(act: Act, slack: Slack) -> Callable[..., Json]:
    """Somebody types the command; the modal they see."""

    def typed(user: str = "U1", text: str = "review") -> Json:
        act(slack.command(user, "/fencepost", text))
        return slack.view(user)

    return typed


@pytest.fixture
def message(desk: Context, slack: Slack) -> Callable[[], Json]:
    def posted() -> Json:
        dispatch(posting(desk.settings, desk.engine), BOT)
        return slack.messages[CHANNEL][0]

    return posted


def words(surface: Json) -> str:
    """All its plain and rich text, in order, buttons left out."""
    found = []
    for block in surface["blocks"]:
        if block["type"] == "context":
            found += [element["text"] for element in block["elements"]]
        if block["type"] == "rich_text":
            texts = [one for container in block["elements"] for one in container["elements"]]
            found.append("".join(one["text"] if one["type"] == "text" else f"<{one['user_id']}>" for one in texts))
    return "\n".join(found)


def newest(engine: sa.Engine) -> sa.Row[Any]:
    with database.reading(engine) as connection:
        return connection.execute(sa.select(tables.vote).order_by(tables.vote.c.id.desc()).limit(1)).one()


def claims(engine: sa.Engine) -> set[tuple[str, str]]:
    c = tables.claim.c
    with database.reading(engine) as connection:
        return {(row.card_id, row.reviewer) for row in connection.execute(sa.select(c.card_id, c.reviewer))}


def intent_id(engine: sa.Engine, name: str) -> int:
    with database.reading(engine) as connection:
        return by_name(connection, BOT, name).id


def test_a_closed_modal_gives_its_card_back(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    card = deal(desk.engine, "text")
    review("U1")
    assert words(review("U2")).startswith("No card is waiting for you.")
    closed = slack.close("U1")
    assert closed is not None
    act(closed)
    assert claims(desk.engine) == set()
    assert words(review("U2")) == "0 today\ntext"
    assert claims(desk.engine) == {(card, "slack:U2")}


def test_one_modal_walks_through_all_cards(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    dealt = [deal(desk.engine, f"text {n}", priority=n / 10) for n in range(3)]
    view = review()
    assert words(view) == "0 today\ntext 2"
    assert claims(desk.engine) == {(dealt[2], "slack:U1")}
    act(slack.click("U1", slack.view("U1"), "refund"))
    assert words(slack.view("U1")) == "1 today · last: “text 2” → refund\ntext 1"
    act(slack.click("U1", slack.view("U1"), "None of these"))
    act(slack.click("U1", slack.view("U1"), "Unsure"))
    assert words(slack.view("U1")).splitlines()[0] == "No card is waiting for you."
    assert slack.view("U1")["id"] == view["id"]
    assert [vote[0] for vote in votes(desk.engine)] == [dealt[2], dealt[1], dealt[0]]
    assert [vote[1:] for vote in votes(desk.engine)] == [("slack:U1", one) for one in ("intent", "none", "unsure")]
    assert slack.messages[CHANNEL] == []


def test_a_modal_that_slack_does_not_open_for_now_is_said_to_who_asked_for_it(
    desk: Context, slack: Slack, act: Act, message: Callable[[], Json]
) -> None:
    deal(desk.engine, "text")
    posted = message()
    slack.fail("views.open", "expired_trigger_id", "rate_limited")
    act(slack.command("U1", "/fencepost", "review"))
    act(slack.choose("U2", posted, "Two intents"))
    assert slack.ephemerals == [{"user": user, "text": "Slack is busy: please try again."} for user in ("U1", "U2")]
    assert (slack.calls.count("views.open"), dict(slack.stacks)) == (2, {})


def test_a_modal_that_is_not_pushed_for_now_is_said_in_the_one_below(
    desk: Context, slack: Slack, act: Act, review: Any
) -> None:
    deal(desk.engine, "text")
    slack.fail("views.push", "rate_limited")
    act(slack.choose("U1", review(), "Two intents"))
    assert words(slack.view("U1")) == "Slack is busy: please try again.\n0 today\ntext"
    assert slack.calls.count("views.push") == 1


def test_nobody_sees_a_card_that_another_has_on_screen(desk: Context, slack: Slack, review: Any) -> None:
    deal(desk.engine, "text", priority=1.0)
    deal(desk.engine, "other")
    assert words(review("U1")).endswith("text")
    assert words(review("U2")).endswith("other")
    assert words(review("U3")).splitlines() == [
        "No card is waiting for you.",
        "2 open cards went to other people, or had your answer. "
        "New ones are looked for every minute, in what comes in from the log.",
        "0 today",
    ]


def test_a_second_click_on_the_same_state_is_no_second_answer(
    desk: Context, slack: Slack, act: Act, review: Any
) -> None:
    first, second = deal(desk.engine, "text", priority=1.0), deal(desk.engine, "other")
    view = review()
    clicks = [slack.click("U1", json.loads(json.dumps(view)), "refund") for _ in range(2)]
    for payload in (*clicks, clicks[0]):
        act(payload)
    assert votes(desk.engine) == [(first, "slack:U1", "intent")]
    assert words(slack.view("U1")).endswith("other")
    assert claims(desk.engine) == {(second, "slack:U1")}


def test_a_card_answered_elsewhere_is_said_and_passed(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    card = deal(desk.engine, "text", priority=1.0)
    deal(desk.engine, "other")
    review()
    vote = Vote(answer="intent", intent="refund", click_id="c-1")
    voting.cast(desk, BOT, card, Reviewer("Ana"), vote, surface="console")
    act(slack.click("U1", slack.view("U1"), "cancel_order"))
    note = "Your click was not counted: somebody else has answered this card."
    assert words(slack.view("U1")) == f"{note}\n0 today\nother"
    assert votes(desk.engine) == [(card, "Ana", "intent")]


def test_back_takes_the_last_answer_back_once(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    first = deal(desk.engine, "text", priority=1.0)
    second = deal(desk.engine, "other", priority=0.5)
    deal(desk.engine, "third")
    review()
    assert "Back" not in slack.buttons(slack.view("U1"))
    for button in ("refund", "refund"):
        act(slack.click("U1", slack.view("U1"), button))
    clicks = [slack.click("U1", slack.view("U1"), "Back") for _ in range(2)]
    for payload in clicks:
        act(payload)
    assert [vote[::2] for vote in votes(desk.engine)] == [(first, "intent"), (second, "intent"), (second, "undo")]
    assert words(slack.view("U1")) == "1 today · last: “text” → refund\nother"


def test_a_skipped_card_is_anybody_elses_and_comes_again_only_when_asked_for(
    desk: Context, slack: Slack, act: Act, review: Any
) -> None:
    skipped = deal(desk.engine, "text", priority=1.0)
    deal(desk.engine, "other")
    review()
    act(slack.click("U1", slack.view("U1"), "Skip"))
    assert words(slack.view("U1")).endswith("other")
    assert sitting_of(slack.view("U1")["private_metadata"]).skipped == (skipped,)
    assert words(review("U2")).endswith("text")
    act(slack.click("U2", slack.view("U2"), "Skip"))
    act(slack.click("U1", slack.view("U1"), "refund"))
    assert slack.buttons(slack.view("U1")) == ["Back", "Show the 1 skipped"]
    act(slack.click("U1", slack.view("U1"), "Show the 1 skipped"))
    assert words(slack.view("U1")).endswith("text")
    assert len(votes(desk.engine)) == 1


def test_when_the_weeks_budget_is_used_up_the_modal_says_until_when(desk: Context, slack: Slack, review: Any) -> None:
    card = deal(desk.engine, "text")
    voting.cast(desk, BOT, card, Reviewer("Ana"), Vote(answer="none", click_id="c-1"), surface="console")
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, weekly_budget=1)
    then = newest(desk.engine).at + timedelta(days=7)
    line = f"This week's budget of answers is used up; more can be asked from {then:%A, %d %B %H:%M} UTC on."
    assert line in words(review())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("review bank", None),
        ("review", None),  # only the shop's cards come to this channel
        ("review shp", "there is no bot 'shp': /fencepost review bank, /fencepost review shop"),
        ("review old", "there is no bot 'old': /fencepost review bank, /fencepost review shop"),
    ],
)
def test_the_command_finds_the_bot_or_names_those_there_are(
    desk: Context, slack: Slack, act: Act, text: str, said: str | None
) -> None:
    for name in ("bank", "old"):
        open_shop(desk.engine, name)
    with database.writing(desk.engine) as connection:
        archive_bot(connection, "old", AT)
        people.add(connection, "bank", "U1", "reviewer", AT, who="Ana")
    answer = act(slack.command("U1", "/fencepost", text))
    if said is None:
        assert slack.view("U1")["title"]["text"] == f"Review {text.removeprefix('review').strip() or BOT}"
    else:
        assert (answer["text"], slack.stacks["U1"]) == (f"There is nothing to review: {said}.", [])


def test_several_bots_and_none_of_this_channel_are_named(desk: Context, slack: Slack, act: Act) -> None:
    open_shop(desk.engine, "bank")
    slack.add_channel("C1", "other")
    answer = act(slack.command("U1", "/fencepost", "review", "C1"))
    offered = "/fencepost review bank, /fencepost review shop"
    assert answer["text"] == f"There is nothing to review: there are several bots: {offered}."


def test_who_has_no_role_reviews_nothing(desk: Context, slack: Slack, act: Act, review: Any, message: Any) -> None:
    deal(desk.engine, "text", priority=1.0)
    deal(desk.engine, "other")
    review("U2")
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, "U1", "reviewer", AT, who="Ana")
    said = "this takes a reviewer of shop: please ask its owner to add you (U2)."
    answer = act(slack.command("U2", "/fencepost", "review"))
    assert answer["text"] == f"There is nothing to review: {said}"
    act(slack.click("U2", slack.view("U2"), "refund"))  # the modal was open before
    assert (words(slack.view("U2")), votes(desk.engine)) == (said, [])
    act(slack.choose("U2", message(), "Two intents…"))
    assert slack.ephemerals[-1]["text"] == f"Your click was not counted: {said}"


def blind(engine: sa.Engine, text: str = "text") -> str:
    return deal(engine, text, purpose="audit", overlap=2)


def test_a_blind_card_goes_to_as_many_people_as_it_wants_answers(desk: Context, slack: Slack, review: Any) -> None:
    blind(desk.engine)
    shown = [words(review(user)).splitlines()[-1] for user in ("U1", "U2")]
    assert shown == ["text", "text"]
    assert words(review("U3")).startswith("No card is waiting for you.")


def test_a_card_forgotten_on_screen_does_not_come_again(desk: Context, slack: Slack, review: Any) -> None:
    turn = add_turn(desk.engine, "my secret")
    add_card(desk.engine, turn, priority=1.0)
    deal(desk.engine, "other")
    assert words(review()).endswith("my secret")
    with database.writing(desk.engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn))
    assert words(review()).endswith("other")


def test_a_blind_card_shows_no_opinion(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    turn = add_turn(desk.engine, "text", entities=[{"type": "city", "value": "text", "start": 0, "end": 4}])
    card = add_card(desk.engine, turn, purpose="audit", overlap=2)
    voting.cast(desk, BOT, card, Reviewer("Ana"), Vote(answer="none", click_id="c-1"), surface="console")
    view = review()
    assert words(view) == "0 today\nAsked blind: please answer by the text alone.\ntext"
    assert slack.buttons(view) == ["cancel_order", "refund", "track_order", "None of these", "Unsure", "Skip"]
    with pytest.raises(LookupError):
        slack.choose("U1", view, "Why this one?")
    act(slack.choose("U1", view, "Entities…"))
    fields = [block["element"] for block in slack.view("U1")["blocks"] if block["type"] == "input"]
    assert (fields[0]["initial_value"], "initial_option" in fields[1]) == ("text", False)


def test_an_adjudicator_sees_the_answers_that_do_not_agree(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    card = blind(desk.engine)
    for who, intent in [("slack:U2", "refund"), ("Ana", "cancel_order")]:
        vote = Vote(answer="intent", intent=intent, click_id=who)
        voting.cast(desk, BOT, card, Reviewer(who), vote, surface="console")
    assert words(review("U3")).startswith("No card")
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, "U1", "adjudicator", AT, who="Ana")
    shown = words(review("U1"))
    assert shown.splitlines()[1] == "The answers so far do not agree, or somebody was unsure: yours decides."
    assert "text<U2> said refund\nAna said cancel_order\n" in shown
    act(slack.click("U1", slack.view("U1"), "refund"))
    assert votes(desk.engine)[-1] == (card, "slack:U1", "intent")


def test_an_adjudicator_may_say_again_what_they_said_before_the_card_came_back(
    desk: Context, slack: Slack, act: Act, review: Any
) -> None:
    card = deal(desk.engine, "text")
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, "U1", "adjudicator", AT, who="Ana")
    review()
    act(slack.click("U1", slack.view("U1"), "refund"))
    with database.writing(desk.engine) as connection:
        returned = {"status": "adjudicate", "returned_after": newest(desk.engine).id}
        connection.execute(sa.update(tables.card).values(returned))
    view = review()
    for payload in [slack.click("U1", view, "refund") for _ in range(2)]:
        act(payload)
    assert votes(desk.engine) == [(card, "slack:U1", "intent")] * 2
    assert words(slack.view("U1")).startswith("No card is waiting for you.")


def found(slack: Slack, act: Act, typed: str, within: str) -> Json:
    """The first option for what was typed into the top view."""
    return options_of(act(slack.type_into("U1", slack.view("U1"), typed, within=within)))[0]


def block_id(slack: Slack, part: str) -> str:
    """Of the top view's field."""
    return next(b["block_id"] for b in slack.view("U1")["blocks"] if b.get("block_id", "").endswith(f":{part}"))


def test_two_intents_are_one_vote_and_the_message_shows_it(desk: Context, slack: Slack, act: Act, message: Any) -> None:
    deal(desk.engine, "text")
    act(slack.choose("U1", message(), "Two intents…"))
    for part, name in [("intent", "refund"), ("second", "cancel order")]:
        slack.fill("U1", {block_id(slack, part): found(slack, act, name, f":{part}")})
    act(slack.submit("U1"))
    assert slack.stacks["U1"] == []
    row = newest(desk.engine)
    ids = (intent_id(desk.engine, "refund"), intent_id(desk.engine, "cancel_order"))
    assert (row.answer, row.intent_id, row.second_id) == ("two", *ids)
    assert words(slack.messages[CHANNEL][0]).endswith("text<U1> said refund and cancel_order\n")


@pytest.mark.usefixtures("redacted_unlocked")
def test_a_submission_sent_twice_is_one_vote(desk: Context, slack: Slack, bolt: App, act: Act, message: Any) -> None:
    deal(desk.engine, "text")
    act(slack.choose("U1", message(), "New intent…"))
    slack.fill("U1", {block_id(slack, "proposed"): "gift card", block_id(slack, "why"): "we sell those now"})
    payload = json.loads(json.dumps(slack.submit("U1")))
    act(payload)
    assert bolt.dispatch(BoltRequest(body=payload, mode="socket_mode")).status == 200
    row = newest(desk.engine)
    assert len(votes(desk.engine)) == 1
    assert (row.answer, row.proposed) == ("new", "gift card")
    with database.reading(desk.engine) as connection:
        remark = connection.execute(sa.select(tables.remark_content)).one()
    assert (remark.vote_id, remark.text) == (row.id, "we sell those now")


def test_what_is_wrong_is_said_at_its_field(desk: Context, slack: Slack, act: Act, message: Any) -> None:
    deal(desk.engine, "text")
    act(slack.choose("U1", message(), "Two intents…"))
    refund = found(slack, act, "refund", ":intent")
    slack.fill("U1", {block_id(slack, part): refund for part in ("intent", "second")})
    answer = act(slack.submit("U1"))
    assert answer["errors"] == {block_id(slack, "second"): "The two intents are one."}
    assert votes(desk.engine) == []


def test_a_card_answered_while_a_view_was_open_is_said_in_it(
    desk: Context, slack: Slack, act: Act, message: Any
) -> None:
    card = deal(desk.engine, "text")
    act(slack.choose("U1", message(), "New intent…"))
    voting.cast(desk, BOT, card, Reviewer("Ana"), Vote(answer="none", click_id="c-1"), surface="console")
    slack.fill("U1", {block_id(slack, "proposed"): "gift card"})
    answer = act(slack.submit("U1"))
    assert answer["errors"] == {block_id(slack, "proposed"): "Somebody else has answered this card."}
    act(slack.choose("U2", slack.messages[CHANNEL][0], "New intent…"))
    assert slack.ephemerals[-1]["text"] == "Your click was not counted: somebody else has answered this card."


def test_entities_are_marked_in_brackets_over_the_review_modal(
    desk: Context, slack: Slack, act: Act, review: Any
) -> None:
    given = [{"type": "city", "value": "Lyon", "start": 12, "end": 16}]
    turn = add_turn(desk.engine, "a flight to Lyon tomorrow", entities=given)
    card = add_card(desk.engine, turn, priority=1.0)
    deal(desk.engine, "other")
    review()
    act(slack.choose("U1", slack.view("U1"), "Entities…"))
    typed = next(block["element"] for block in slack.view("U1")["blocks"] if block["type"] == "input")
    assert typed["initial_value"] == "a flight to [Lyon](city) tomorrow"
    refund = found(slack, act, "refund", ":intent")
    slack.fill("U1", {block_id(slack, "intent"): refund, block_id(slack, "entities"): "a flight to [Lyon tomorrow"})
    errors = act(slack.submit("U1"))["errors"]
    assert list(errors) == [block_id(slack, "entities")]
    assert errors[block_id(slack, "entities")].startswith("After “a flight to ” a [ is not closed")
    slack.fill("U1", {block_id(slack, "entities"): "a flight to [Lyon](city) [tomorrow](date)"})
    act(slack.submit("U1"))
    row = newest(desk.engine)
    assert (row.card_id, row.answer, row.spans) == (card, "intent", [[12, 16, "city"], [17, 25, "date"]])
    assert words(slack.view("U1")) == "1 today · last: “a flight to Lyon tomorrow” → refund\nother"
    assert len(slack.stacks["U1"]) == 1


def test_why_this_one_is_answered_from_what_was_stored(desk: Context, slack: Slack, act: Act, message: Any) -> None:
    turn = add_turn(desk.engine, "text")
    add_card(desk.engine, turn)
    with database.writing(desk.engine) as connection:
        mark = {"bot": BOT, "turn_id": turn, "kind": "boundary", "value": 0.9, "at": AT}
        connection.execute(tables.mark.insert(), mark)
        for n, person in enumerate(("p1", "p2", "p2", "p3")):
            at = now() - timedelta(days=8 if person == "p3" else 6)
            report = {"bot": BOT, "source": "native", "external_id": f"r{n}", "turn_external_id": "t-0"}
            report |= {"kind": "wrong_answer", "at": at, "received_at": at}
            report_id = connection.execute(tables.report.insert().returning(tables.report.c.id), report).scalar_one()
            connection.execute(tables.report_content.insert(), {"report_id": report_id, "person": person})
    act(slack.choose("U1", message(), "Why this one?"))
    shown = words(slack.view("U1"))
    assert shown == "text\n• 2 people said wrong this week\n• between two intents\n"
    assert votes(desk.engine) == []


def test_other_finds_one_of_500_intents_by_a_few_letters(desk: Context, slack: Slack, act: Act, review: Any) -> None:
    deal(desk.engine, "text")
    rows = [
        {
            "bot": BOT,
            "id": 100 + n,
            "name": f"intent_{n}",
            "description": f"what is meant by {n} " * 8,
            "created_at": AT,
        }
        for n in range(500)
    ]
    with database.writing(desk.engine) as connection:
        connection.execute(tables.intent.insert(), rows)
    view = review()
    found = options_of(act(slack.type_into("U1", view, "intnt 421")))
    assert found[0]["text"]["text"] == "intent_421"
    assert found[0]["description"]["text"].startswith("what is meant by 421")
    assert len(options_of(act(slack.type_into("U1", view, "")))) == 100


@pytest.fixture(params=["socket mode", "events url"])
def send(request: pytest.FixtureRequest, desk: Context, slack: Slack) -> Iterator[Act]:
    """Send what somebody did as Slack sends it; the app's answer."""
    if request.param == "events url":
        with TestClient(create_app(desk.settings, sources={}, schemes={}, mounts=http.mounts(desk.settings))) as client:
            yield lambda payload: _send(client, slack, payload)
        return
    stop = threading.Event()
    thread = threading.Thread(target=run.run, args=(desk, stop))
    thread.start()
    yield slack.send
    stop.set()
    thread.join()


def _send(client: TestClient[Any], slack: Slack, payload: Json) -> Json:
    response = channel.request(client, payload)
    assert response.status_code == 200
    answer: Json = response.json() if response.text.startswith("{") else {}
    if payload.get("type") == "view_submission":
        slack.answered(payload, answer)
    return answer


def test_both_transports_open_the_modal_walk_and_submit(desk: Context, slack: Slack, send: Act) -> None:
    first, second = deal(desk.engine, "text", priority=1.0), deal(desk.engine, "other")
    send(slack.command("U1", "/fencepost", "review"))
    eventually(lambda: bool(slack.stacks["U1"]))
    send(slack.click("U1", slack.view("U1"), "refund"))
    eventually(lambda: words(slack.view("U1")).endswith("other"))
    send(slack.choose("U1", slack.view("U1"), "New intent…"))
    eventually(lambda: len(slack.stacks["U1"]) == 2)
    slack.fill("U1", {block_id(slack, "proposed"): "gift card"})
    send(slack.submit("U1"))
    eventually(lambda: words(slack.view("U1")).startswith("No card is waiting for you."))
    assert votes(desk.engine) == [(first, "slack:U1", "intent"), (second, "slack:U1", "new")]
