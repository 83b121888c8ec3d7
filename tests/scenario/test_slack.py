"""Cards in Slack: clicked, and shown again. Slack is the stand-in, over real HTTP and WebSocket."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from integrations.slack import blocks, http, jobs, listeners, run
from integrations.slack.desk import open_desk
from service import database, tables
from service.context import Context
from service.intents.store import archive_intent, by_name, create_intents
from service.jobs import Job
from service.reviews import voting
from service.reviews.schemas import Around, CardView, Choice, Line, Reviewer, Vote
from service.settings import Secret
from service.slack_trouble import troubles
from service.streams import PENDING
from tests.support import slack as stand_in
from tests.support.channel import Clock, eventually, request, statuses, votes, words
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, deal
from tests.support.slack import CHANNEL, Slack, options_of, problems, signed

NASTY = "<@U123> <!channel> *bold* _it_ `code` https://evil.test <https://evil.test|refund> &amp; :boom: @here"


def test_a_signed_click_is_a_vote_and_the_card_says_whose(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    card = deal(desk.engine, "give me my money")
    post()
    message = slack.messages[CHANNEL][0]
    assert slack.buttons(message) == ["cancel_order", "refund", "track_order", "None of these", "Unsure"]
    assert request(http_client, slack.click("U1", message, "refund")).status_code == 200
    assert votes(desk.engine) == [(card, "slack:U1", "intent")]
    eventually(lambda: slack.buttons(message) == ["Undo"])
    assert words(message) == "give me my money<U1> said refund\n"
    eventually(lambda: bool(desk.redis.exists(PENDING.of(BOT, job="resolve"))))


def test_a_vote_is_stored_before_the_ack(desk: Context, slack: Slack, post: Any) -> None:
    deal(desk.engine, "text")
    post()
    seen: list[int] = []
    listeners.on_click(
        lambda: seen.append(len(votes(desk.engine))),  # type: ignore[arg-type]  # an ack that looks into SQL
        slack.click("U1", slack.messages[CHANNEL][0], "refund"),
        open_desk(desk),
    )
    assert seen == [1]


def test_a_vote_that_cannot_be_stored_is_not_acked(desk: Context, slack: Slack, post: Any) -> None:
    deal(desk.engine, "text")
    post()
    acked: list[bool] = []
    with desk.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE vote"))
    with pytest.raises(sa.exc.OperationalError):
        listeners.on_click(
            lambda: acked.append(True),  # type: ignore[arg-type]
            slack.click("U1", slack.messages[CHANNEL][0], "refund"),
            open_desk(desk),
        )
    assert acked == []


def is_refused(engine: sa.Engine) -> bool:
    with database.reading(engine) as connection:
        return bool(troubles(connection))


def test_a_vote_stands_though_slack_is_away_for_the_redraw_and_a_later_dispatch_mends_the_card(
    desk: Context, slack: Slack, clock: Clock, http_client: TestClient[Any], post: Any
) -> None:
    card = deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    slack.fail("chat.update", "error")
    assert request(http_client, slack.click("U1", message, "refund")).status_code == 200
    eventually(lambda: is_refused(desk.engine))
    assert "refund" in slack.buttons(message)
    assert votes(desk.engine) == [(card, "slack:U1", "intent")]
    clock.pause(20)
    post()
    assert slack.buttons(message) == ["Undo"]


def test_a_double_click_and_a_retried_request_are_one_vote(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    first, second = (slack.click("U1", message, "refund") for _ in range(2))
    for payload in (first, second, first):
        assert request(http_client, payload).status_code == 200
    assert [vote[1:] for vote in votes(desk.engine)] == [("slack:U1", "intent")]
    assert slack.ephemerals == []


def test_many_copies_of_a_click_at_once_are_one_vote(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    payloads = [slack.click("U1", message, "refund") for _ in range(6)]
    threads = [threading.Thread(target=request, args=(http_client, payload)) for payload in payloads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(votes(desk.engine)) == 1


def test_a_second_person_is_told_that_the_card_is_answered(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    payloads = [slack.click("U1", message, "refund"), slack.click("U2", message, "cancel_order")]
    for payload in payloads:
        assert request(http_client, payload).status_code == 200
    text = "Your click was not counted: somebody else has answered this card."
    eventually(lambda: slack.ephemerals == [{"user": "U2", "text": text}])
    assert [vote[1] for vote in votes(desk.engine)] == ["slack:U1"]


def test_undo_brings_the_buttons_back_and_belongs_to_the_voter(
    desk: Context, slack: Slack, clock: Clock, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    request(http_client, slack.click("U1", message, "None of these"))
    eventually(lambda: slack.buttons(message) == ["Undo"])
    request(http_client, slack.click("U2", message, "Undo"))
    text = "Your click was not counted: you have no answer on this card to take back."
    eventually(lambda: slack.ephemerals == [{"user": "U2", "text": text}])
    clock.pause(1)
    request(http_client, slack.click("U1", message, "Undo"))
    eventually(lambda: "Unsure" in slack.buttons(message))
    clock.pause(1)
    request(http_client, slack.click("U2", message, "refund"))
    eventually(lambda: words(message) == "text<U2> said refund\n")
    assert [vote[1:] for vote in votes(desk.engine)] == [
        ("slack:U1", "none"),
        ("slack:U1", "undo"),
        ("slack:U2", "intent"),
    ]


def test_an_unsure_vote_leaves_the_card_to_others(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    request(http_client, slack.click("U1", message, "Unsure"))
    eventually(lambda: words(message) == "text<U1> said unsure\n")
    assert "refund" in slack.buttons(message)


def test_a_card_answered_in_the_console_loses_its_buttons(desk: Context, slack: Slack, clock: Clock, post: Any) -> None:
    card = deal(desk.engine, "text")
    post()
    vote = Vote(answer="intent", intent="refund", click_id="c-1")
    voting.cast(desk, BOT, card, Reviewer("Ana"), vote, surface="console")
    post()
    message = slack.messages[CHANNEL][0]
    assert (slack.buttons(message), words(message)) == (["Undo"], "textAna said refund\n")
    assert statuses(desk.engine) == {card: "resolved"}
    voting.cast(desk, BOT, card, Reviewer("Ana"), Vote(answer="undo", click_id="c-2"), surface="console")
    clock.pause(1)
    post()
    assert (words(message), statuses(desk.engine)) == ("text", {card: "open"})


@pytest.mark.parametrize(
    ("secret", "age"),
    [("another secret", 0), (stand_in.SIGNING_SECRET, 6 * 60), ("", 0)],
    ids=["wrong", "stale", "empty"],
)
def test_a_bad_signature_is_401_and_no_vote(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any, secret: str, age: int
) -> None:
    deal(desk.engine, "text")
    post()
    payload = slack.click("U1", slack.messages[CHANNEL][0], "refund")
    assert request(http_client, payload, secret=secret, at=time.time() - age).status_code == 401
    assert votes(desk.engine) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"payload=%7B"])
@pytest.mark.parametrize("stamp", [None, "now", "²", str(2**70), "0"])
@pytest.mark.parametrize("signature", [None, "garbage", "v0=é"])
def test_unsigned_garbage_is_401(
    http_client: TestClient[Any], body: bytes, stamp: str | None, signature: str | None
) -> None:
    stamp = str(int(time.time())) if stamp == "now" else stamp
    given = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
    headers = {name: value.encode() for name, value in given.items() if value is not None}
    assert http_client.post(http.PATH, content=body, headers=headers).status_code == 401


@pytest.mark.parametrize("body", ["{", "payload=%7B"])
def test_signed_garbage_is_400(http_client: TestClient[Any], body: str) -> None:
    _, headers = signed({}, body=body)
    assert http_client.post(http.PATH, content=body.encode(), headers=headers).status_code == 400


def test_without_a_signing_secret_there_is_no_events_url(desk: Context) -> None:
    assert http.mounts(msgspec.structs.replace(desk.settings, slack_signing_secret=Secret(""))) == ()


def test_other_finds_any_intent_of_many(desk: Context, slack: Slack, http_client: TestClient[Any], post: Any) -> None:
    with database.writing(desk.engine) as connection:
        create_intents(connection, BOT, {f"card_{n}": f"about card {n}" for n in range(150)}, AT)
        create_intents(connection, BOT, {"lost_parcel": "it did not come", "lost_old": ""}, AT)
        archive_intent(connection, BOT, by_name(connection, BOT, "lost_old").id, AT)
    card = deal(desk.engine, "text")
    post()
    message = slack.messages[CHANNEL][0]
    assert slack.buttons(message) == ["None of these", "Unsure"]  # nothing says which of 150 are likely
    everything = options_of(request(http_client, slack.type_into("U1", message, "")).json())
    assert len(everything) == 100
    found = options_of(request(http_client, slack.type_into("U1", message, "lost parcl")).json())
    assert found[0]["text"]["text"] == "lost_parcel"
    assert "lost_old" not in {option["text"]["text"] for option in found}
    request(http_client, slack.choose("U1", message, found[0]))
    eventually(lambda: words(message) == "text<U1> said lost_parcel\n")
    assert votes(desk.engine) == [(card, "slack:U1", "intent")]


def test_an_unknown_button_is_acked_and_does_nothing(
    desk: Context, slack: Slack, http_client: TestClient[Any], post: Any
) -> None:
    deal(desk.engine, "text")
    post()
    payload = slack.click("U1", slack.messages[CHANNEL][0], "refund")
    payload["actions"][0]["action_id"] = "from_another_version"
    assert request(http_client, payload).status_code == 200
    assert votes(desk.engine) == []


@contextmanager
def socket_mode(desk: Context, slack: Slack) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run.run, args=(desk, stop))
    thread.start()
    try:
        eventually(lambda: bool(slack.links))
        yield
    finally:
        stop.set()
        thread.join()


def test_socket_mode_answers_clicks_and_options(desk: Context, slack: Slack, post: Any) -> None:
    card = deal(desk.engine, "text")
    post()
    slack.fail("apps.connections.open", "error")  # Slack away at the start is waited out
    with socket_mode(desk, slack):
        message = slack.messages[CHANNEL][0]
        assert options_of(slack.send(slack.type_into("U1", message, "refnd")))[0]["text"]["text"] == "refund"
        slack.send(slack.click("U1", message, "refund"))
        assert votes(desk.engine) == [(card, "slack:U1", "intent")]
        eventually(lambda: slack.buttons(message) == ["Undo"])


def test_socket_mode_answers_with_as_many_long_options_as_a_frame_holds(desk: Context, slack: Slack, post: Any) -> None:
    with database.writing(desk.engine) as connection:
        create_intents(connection, BOT, {f"{n:03} " + "退" * 80: "款" * 80 for n in range(100)}, AT)
    deal(desk.engine, "text")
    post()
    with socket_mode(desk, slack):
        found = options_of(slack.send(slack.type_into("U1", slack.messages[CHANNEL][0], "")))
    names = [one["text"]["text"][:3] for one in found]
    assert (len(names) > 50, names) == (True, [f"{n:03}" for n in range(len(names))])


def test_a_link_that_is_cut_without_a_word_is_made_anew(
    desk: Context, slack: Slack, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PING_S", 0.2)
    card = deal(desk.engine, "text")
    post()
    with socket_mode(desk, slack):
        (link,) = slack.links
        slack.drop()
        eventually(lambda: link not in slack.links)
        slack.send(slack.click("U1", slack.messages[CHANNEL][0], "refund"))
    assert votes(desk.engine) == [(card, "slack:U1", "intent")]


def test_the_job_is_named_where_it_lives(desk: Context, slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"{jobs.__name__}.{jobs.dispatch.__name__}" == Job.DISPATCH
    deal(desk.engine, "text")
    for name in ("data_dir", "database_url", "redis_url", "stream_key", "slack_bot_token", "slack_api_url"):
        monkeypatch.setenv(f"FENCEPOST_{name.upper()}", str(getattr(desk.settings, name)))
    jobs.dispatch(BOT)
    assert len(slack.messages[CHANNEL]) == 1


def test_turn_text_cannot_act(desk: Context, slack: Slack, post: Any) -> None:
    turn = add_turn(desk.engine, NASTY, conversation="c", minute=1)
    add_turn(desk.engine, NASTY, conversation="c")
    add_reply(desk.engine, NASTY, conversation="c", minute=1)
    add_card(desk.engine, turn)
    post()
    message = slack.messages[CHANNEL][0]
    assert words(message) == f"Person: {NASTY}\n{NASTY}Bot: {NASTY}\n"
    assert "<" not in message["text"]
    assert mrkdwn_of(message["blocks"]) == []


def mrkdwn_of(given: object) -> list[object]:
    """Everything in the blocks that Slack would interpret."""
    if isinstance(given, list):
        return [found for one in given for found in mrkdwn_of(one)]
    if not isinstance(given, dict):
        return []
    acts = given.get("type") in ("mrkdwn", "link", "broadcast", "user", "emoji") or given.get("emoji") is True
    return [given] if acts else [found for one in given.values() for found in mrkdwn_of(one)]


def test_a_forgotten_turn_leaves_its_card(desk: Context, slack: Slack, http_client: TestClient[Any], post: Any) -> None:
    deal(desk.engine, "my secret")
    post()
    message = slack.messages[CHANNEL][0]
    with database.writing(desk.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    request(http_client, slack.click("U1", message, "refund"))
    eventually(lambda: message["text"] == "This turn was forgotten.")
    assert "my secret" not in str(message)


def view(**fields: Any) -> CardView:
    given = {"id": "0" * 32, "bot": "b" * 40, "turn_id": 1, "purpose": "rank", "blind": False, "status": "open"}
    given |= {"text": "text", "context": Around(), "choices": ()}
    return CardView(**(given | fields))


def test_the_longest_card_keeps_slacks_limits() -> None:
    line = Line("user", "x" * 4000)
    choices = tuple(Choice("n" * 200, "d" * 4000, (), 0.1) for _ in range(9))
    given = view(text="y" * 4000, context=Around((line,) * 4, (line,) * 4), choices=choices)
    message = blocks.card(given, [blocks.Said("slack:U1", "n" * 200)] * 5)
    assert problems(message.blocks) == []
    assert len(message.text) < 300


def test_buttons_show_the_likeliest_with_their_chances() -> None:
    choices = [Choice(name, probability=p) for name, p in [("a", 0.41), ("b", 0.39), ("c", 0.1), ("d", 0.05), ("e", 0)]]
    message = blocks.card(view(choices=tuple(choices)))
    texts = [one["text"]["text"] for one in message.blocks[2]["elements"]]  # type: ignore[attr-defined]
    assert texts == ["a 41%", "b 39%", "c 10%", "d 5%"]


def test_a_withdrawn_card_says_so_and_offers_nothing() -> None:
    message = blocks.card(view(status="withdrawn"), [blocks.Said("Ana", "unsure")])
    assert problems(message.blocks) == []
    assert [block["type"] for block in message.blocks] == ["context", "rich_text"]
