"""The home tab: what a person finds there, and the way from it into the review modal."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from integrations.slack import home, http, people, run
from integrations.slack.blocks.home import MOST_BOTS
from integrations.slack.client import posting
from service import database, tables
from service.app import create_app
from service.bots.store import create_bot, update_bot
from service.context import Context
from service.intents.store import by_name
from service.reviews import voting
from service.reviews.rules import resolve_votes
from service.reviews.schemas import Reviewer, Vote
from tests.support import channel
from tests.support.channel import Clock, eventually
from tests.support.shop import AT, BOT, add_card, add_turn, deal, open_shop
from tests.support.slack import Json, Slack

Act = Callable[[Json], None]
See = Callable[..., list[str]]


@pytest.fixture
def see(act: Act, slack: Slack) -> See:
    """Somebody opens the tab; its lines."""

    def opened(user: str = "U1") -> list[str]:
        act(slack.open_home(user))
        return lines(slack.homes[user])

    return opened


def lines(view: Json) -> list[str]:
    found = []
    for block in view["blocks"]:
        if block["type"] == "header":
            found.append(block["text"]["text"])
        elif block["type"] == "context":
            found += [element["text"] for element in block["elements"]]
        elif block["type"] == "rich_text":
            found += [one["text"].rstrip() for part in block["elements"] for one in part["elements"]]
    return found


def give(engine: sa.Engine, subject: str = "U1", role: people.SlackRole = "reviewer", bot: str = BOT) -> None:
    with database.writing(engine) as connection:
        people.add(connection, bot, subject, role, AT, who="Ana")


def answer(desk: Context, card: str, who: str, intent: str = "refund", *, adjudicates: bool = False) -> None:
    vote = Vote(answer="intent", intent=intent, click_id=f"{card}:{who}:{intent}")
    voting.cast(desk, BOT, card, Reviewer(who, adjudicates=adjudicates), vote, surface="slack")


def put_in_force(engine: sa.Engine, n: int = 7) -> None:
    """A classifier that learnt from all labels there are."""
    with database.writing(engine) as connection:
        last = connection.scalar(sa.select(sa.func.max(tables.label.c.id)))
        manifest = {"encoder": "e", "dimensions": 2, "labels": 412, "last_label_id": last}
        row = {"bot": BOT, "n": n, "status": "champion", "created_at": AT, "manifest": manifest}
        connection.execute(tables.classifier.insert(), row)
        update_bot(connection, BOT, AT)
        connection.execute(sa.update(tables.bot).where(tables.bot.c.name == BOT).values(champion=n))


def audit(engine: sa.Engine, right: int, wrong: int, n: int = 7) -> None:
    """Turns of the audit slice that say `refund`, and what the classifier took them for."""
    with database.reading(engine) as connection:
        refund, other = (by_name(connection, BOT, name).id for name in ("refund", "track_order"))
    for took in [refund] * right + [other] * wrong:
        turn = add_turn(engine, "text")
        card = add_card(engine, turn, purpose="audit", status="resolved")
        own = {"bot": BOT, "turn_id": turn}
        label = own | {"use": "audit", "answer": "intent", "intent_id": refund, "origin": "vote", "card_id": card}
        scores = {"n": n, "intent_id": took, "best_id": took, "p1": 0.9, "p2": 0.1, "uncertainty": 0.2}
        with database.writing(engine) as connection:
            connection.execute(tables.mark.insert(), own | {"kind": "audit", "value": 0.1, "rate": 0.1, "at": AT})
            connection.execute(tables.label.insert(), label | {"at": AT})
            connection.execute(tables.prediction.insert(), own | scores)


def test_who_has_done_nothing_yet_sees_what_waits(desk: Context, see: See) -> None:
    give(desk.engine)
    deal(desk.engine, "text")
    assert see() == [
        "shop",
        "1 card waits for you. Answered today: 0.",
        "No blind card says yet how far you agree with the others.",
        "░░░░░░░░░░░░░░░░░░░░ 0 of 500 answers in the last seven days, 1 more asked for.",
        "No classifier is in force yet.",
        "As of 2026-03-02 10:00 UTC.",
    ]


def test_it_says_what_somebody_did_and_what_became_of_it(desk: Context, clock: Clock, see: See) -> None:
    give(desk.engine)
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, weekly_budget=10, daily_limit=3)
    clock.at -= timedelta(days=1)
    answer(desk, deal(desk.engine, "yesterday"), "slack:U1")
    clock.at += timedelta(days=1)
    answer(desk, deal(desk.engine, "mine"), "slack:U1")
    answer(desk, deal(desk.engine, "theirs"), "slack:U2")
    for n in range(2):
        blind = deal(desk.engine, f"blind {n}", is_blind=True, overlap=2)
        answer(desk, blind, "slack:U1")
        answer(desk, blind, "slack:U2", ["refund", "cancel_order"][n])
    answer(desk, blind, "Ada", "cancel_order", adjudicates=True)
    resolve_votes(desk, BOT)
    put_in_force(desk.engine)
    deal(desk.engine, "waits")
    assert see()[1:-1] == [
        "1 card waits for you. Answered today: 3 of at most 3, so more tomorrow.",
        "You agreed with the others on 1 of 2 blind cards: 50 % (9 to 91).",
        "████████████████░░░░ 8 of 10 answers in the last seven days, 1 more asked for.",
        "Classifier 7 is in force, trained 2026-03-02 09:15 UTC. How often it is right is not known yet.",
        "It learnt from 412 labels; by then your answers had decided the label of 2 turns.",
    ]
    assert see("U2")[0].startswith("No bot lists you as a reviewer")


def test_labels_after_the_training_or_taken_back_before_it_changed_nothing(desk: Context, see: See) -> None:
    give(desk.engine)
    kept, undone = deal(desk.engine, "kept"), deal(desk.engine, "undone")
    answer(desk, kept, "slack:U1")
    answer(desk, undone, "slack:U1")
    resolve_votes(desk, BOT)
    voting.cast(desk, BOT, undone, Reviewer("slack:U1"), Vote(answer="undo", click_id="undo"), surface="slack")
    resolve_votes(desk, BOT)
    put_in_force(desk.engine)
    answer(desk, deal(desk.engine, "later"), "slack:U1")
    resolve_votes(desk, BOT)
    assert see()[5] == "It learnt from 412 labels; by then your answers had decided the label of 1 turn."


def test_accuracy_is_said_from_thirty_answers_of_the_audit_slice_on(desk: Context, see: See) -> None:
    give(desk.engine)
    put_in_force(desk.engine)
    audit(desk.engine, right=20, wrong=9)
    assert see()[4].endswith("How often it is right is not known yet.")
    audit(desk.engine, right=1, wrong=0)
    assert see()[4].endswith("Right: 70 % (52 to 83), by 30 turns drawn at random.")


def test_only_cards_that_somebody_may_be_dealt_wait_for_them(desk: Context, see: See) -> None:
    give(desk.engine, "U1", "reviewer")
    give(desk.engine, "U2", "adjudicator")
    deal(desk.engine, "split", status="adjudicate")
    deal(desk.engine, "text")
    held = deal(desk.engine, "on another's screen")
    answer(desk, deal(desk.engine, "unsure of", overlap=2), "slack:U1")
    with database.writing(desk.engine) as connection:
        lease = {"card_id": held, "reviewer": "slack:U3", "until": AT + timedelta(days=1)}
        connection.execute(tables.claim.insert(), lease)
    assert see("U1")[1].startswith("1 card waits for you.")
    assert see("U2")[1].startswith("3 cards wait for you.")


def test_a_bot_shows_only_to_whom_it_lists_and_an_open_one_is_named(desk: Context, see: See) -> None:
    with database.writing(desk.engine) as connection:
        create_bot(connection, "bank", AT)
        create_bot(connection, "unposted", AT)
    give(desk.engine, "U2", "owner", "bank")
    give(desk.engine, "U1", "reader", "bank")
    open_one = "Reviewed in their own channels, by everybody there: shop. Type /fencepost review there."
    asked = "No bot lists you as a reviewer: please ask its owner to add you (U1)."
    assert see("U1") == [asked, open_one, "As of 2026-03-02 10:00 UTC."]
    assert (see("U2")[0], see("U2")[-2]) == ("bank", open_one)


def test_bots_beyond_the_room_of_a_view_are_only_named(desk: Context, see: See) -> None:
    names = [f"bot-{n:02}" for n in range(25)]
    with database.writing(desk.engine) as connection:
        for name in names:
            create_bot(connection, name, AT)
    for name in names:
        give(desk.engine, bot=name)
    shown = see()
    assert [line for line in shown if line.startswith("bot-")] == names[:24]
    assert "Not shown for want of room: bot-24." in shown


def add_picture(engine: sa.Engine, file_id: str) -> None:
    row = {"bot": BOT, "name": "progress", "key": "k", "file_id": file_id, "alt": "3 turns labelled", "at": AT}
    with database.writing(engine) as connection:
        connection.execute(tables.slack_picture.insert(), row)


def upload(desk: Context, slack: Slack) -> str:
    """A picture that Slack has processed."""
    told = posting(desk.settings, desk.engine).files_upload_v2(content=b"\x89PNG\r\n\x1a\n", filename="p.png")
    slack.process_files()
    file_id: str = told["file"]["id"]
    return file_id


def test_progress_is_shown_above_the_words(desk: Context, slack: Slack, see: See) -> None:
    give(desk.engine)
    as_words = see()
    file_id = upload(desk, slack)
    add_picture(desk.engine, file_id)
    assert see() == as_words
    header, image, *_ = slack.homes["U1"]["blocks"]
    assert header["type"] == "header"
    assert {key: image[key] for key in ("type", "slack_file", "alt_text")} == {
        "type": "image",
        "slack_file": {"id": file_id},
        "alt_text": "3 turns labelled",
    }


@pytest.mark.parametrize("refusal", ["", "invalid_arguments"])
def test_a_tab_whose_picture_slack_refuses_is_shown_without(
    desk: Context, slack: Slack, see: See, refusal: str
) -> None:
    give(desk.engine)
    as_words = see()
    add_picture(desk.engine, upload(desk, slack) if refusal else "F0DELETED")
    slack.homes.clear()
    slack.fail("views.publish", *[refusal] * bool(refusal))
    assert see() == as_words
    assert all(block["type"] != "image" for block in slack.homes["U1"]["blocks"])
    assert slack.calls.count("views.publish") == 3


def test_as_many_bots_with_pictures_as_are_shown_fit_in_a_view(desk: Context, slack: Slack, see: See) -> None:
    file_id = upload(desk, slack)
    names = [f"bot-{n:02}" for n in range(MOST_BOTS + 1)]
    row = {"name": "progress", "key": "k", "file_id": file_id, "alt": "words", "at": AT}
    with database.writing(desk.engine) as connection:
        for name in names:
            create_bot(connection, name, AT)
        connection.execute(tables.slack_picture.insert(), [row | {"bot": name} for name in names])
    for name in names:
        give(desk.engine, bot=name)
    see()
    assert [block["type"] for block in slack.homes["U1"]["blocks"]].count("image") == MOST_BOTS


def test_review_opens_the_modal(desk: Context, slack: Slack, act: Act, see: See) -> None:
    give(desk.engine)
    deal(desk.engine, "my text")
    see()
    act(slack.click("U1", slack.homes["U1"], "Review"))
    assert slack.view("U1")["title"]["text"] == "Review shop"
    assert "my text" in lines(slack.view("U1"))


@pytest.mark.parametrize(("still", "told"), [(["U2"], "this takes a reviewer"), ([], "please ask in the channel")])
def test_a_button_of_somebody_without_the_role_shows_no_card(
    desk: Context, slack: Slack, act: Act, see: See, still: list[str], told: str
) -> None:
    give(desk.engine)
    deal(desk.engine, "my secret")
    see()
    with database.writing(desk.engine) as connection:
        people.remove(connection, BOT, "U1", AT, who="Ana")
    for user in still:
        give(desk.engine, user)
    act(slack.click("U1", slack.homes["U1"], "Review"))
    (said,) = lines(slack.view("U1"))
    assert said.startswith(told)


def test_a_modal_that_slack_does_not_open_for_now_is_said_on_the_tab(
    desk: Context, slack: Slack, act: Act, see: See
) -> None:
    give(desk.engine)
    see()
    slack.fail("views.open", "rate_limited")
    act(slack.click("U1", slack.homes["U1"], "Review"))
    assert (lines(slack.homes["U1"])[0], dict(slack.stacks)) == ("Slack is busy: please try again.", {})


@pytest.mark.parametrize("fault", ["500", "rate_limited"])
def test_a_tab_that_slack_does_not_take_is_drawn_at_the_next_opening(
    desk: Context, clock: Clock, slack: Slack, act: Act, see: See, fault: str
) -> None:
    give(desk.engine)
    slack.fail("views.publish", fault)
    act(slack.open_home("U1"))
    assert slack.homes == {}
    clock.at += timedelta(minutes=2)
    assert see()[0] == "shop"


def test_it_is_drawn_on_both_databases(engine: sa.Engine) -> None:
    open_shop(engine)
    give(engine)
    deal(engine, "waits")
    answered = add_card(engine, turn := add_turn(engine, "answered"), status="resolved")
    own = {"bot": BOT, "card_id": answered, "answer": "intent", "intent_id": 1, "at": AT}
    with database.writing(engine) as connection:
        vote = own | {"id": 1, "reviewer": "slack:U1", "surface": "slack", "click_id": "c"}
        connection.execute(tables.vote.insert(), vote)
        label = own | {"turn_id": turn, "use": "train", "origin": "vote", "vote_id": 1}
        connection.execute(tables.label.insert(), label)
    put_in_force(engine)
    shown = lines(home.draw(engine, "U1"))
    assert shown[1].startswith("1 card waits for you.")
    assert shown[5].endswith("the label of 1 turn.")


def test_the_messages_tab_draws_nothing(slack: Slack, act: Act) -> None:
    payload = slack.open_home("U1")
    payload["event"]["tab"] = "messages"
    act(payload)
    assert slack.homes == {}


@pytest.fixture(params=["socket mode", "events url"])
def send(request: pytest.FixtureRequest, desk: Context, slack: Slack) -> Iterator[Callable[[Json], object]]:
    if request.param == "events url":
        with TestClient(create_app(desk.settings, sources={}, schemes={}, mounts=http.mounts(desk.settings))) as client:
            yield lambda payload: channel.request(client, payload)
        return
    stop = threading.Event()
    thread = threading.Thread(target=run.run, args=(desk, stop))
    thread.start()
    yield slack.send
    stop.set()
    thread.join()


def test_both_transports_draw_the_tab_and_open_the_modal(
    desk: Context, slack: Slack, send: Callable[[Json], object]
) -> None:
    give(desk.engine)
    send(slack.open_home("U1"))
    eventually(lambda: "U1" in slack.homes)
    send(slack.click("U1", slack.homes["U1"], "Review"))
    eventually(lambda: bool(slack.stacks["U1"]))
