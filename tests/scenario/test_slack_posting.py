"""Cards posted to Slack: several a message, each once, no faster than Slack takes them, whatever fails meanwhile."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from litestar.testing import TestClient

from integrations.slack import messages
from integrations.slack.client import posting
from integrations.slack.dispatch import dispatch
from integrations.slack.redrawing import Redrawer, redraw
from integrations.slack.sending import AT_ONCE, CARDS
from service import database, tables
from service.bots.store import archive_bot, update_bot
from service.context import Context
from service.operations.doctor import examine
from service.reviews import store, voting
from service.reviews.schemas import Answer, Reviewer, Vote
from service.slack_trouble import troubles
from tests.support.channel import Clock, eventually, request, statuses, votes, words
from tests.support.shop import AT, BOT, deal, open_shop
from tests.support.slack import CHANNEL, Fault, Json, Slack, problems

Post = Callable[[], int]


def said(slack: Slack) -> list[str]:
    """What the channel's messages say, in order."""
    return [words(message) for message in slack.messages[CHANNEL]]


def answer(desk: Context, card: str, answer: Answer = "none", who: str = "Ana") -> None:
    with database.reading(desk.engine) as connection:
        n = len(store.votes_of(connection, card))
    vote = Vote(answer=answer, click_id=f"{card}-{who}-{n}")
    voting.cast(desk, BOT, card, Reviewer(who), vote, surface="console")


def set_bot(desk: Context, **options: Any) -> None:
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, **options)


def test_cards_share_a_message_the_most_urgent_first(desk: Context, slack: Slack, post: Post) -> None:
    for n in range(3):
        deal(desk.engine, f"text {n}. ", priority=n / 10)
    assert (post(), post()) == (3, 0)
    assert said(slack) == ["text 2. text 1. text 0. "]
    assert slack.messages[CHANNEL][0]["text"] == "3 cards, the first: What does this person want? “text 2. ”"


def test_only_so_many_cards_wait_at_once_and_messages_keep_slacks_pace(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    for n in range(AT_ONCE + 3):
        deal(desk.engine, f"{n:02} ", priority=-n)
    assert post() == AT_ONCE
    assert said(slack) == ["00 01 02 03 04 ", "05 06 07 08 09 "]
    assert clock.waited == [1.1]
    assert [problems(message["blocks"]) for message in slack.messages[CHANNEL]] == [[], []]


def test_more_are_posted_when_there_is_room_for_a_whole_message_or_none_waits(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    cards = [deal(desk.engine, f"{n:02} ", priority=-n) for n in range(AT_ONCE + CARDS + 2)]
    post()
    for n, card in enumerate(cards[:CARDS]):
        assert (n, post()) == (n, 0)
        answer(desk, card)
        clock.pause(2)
    assert post() == CARDS
    for card in cards[CARDS : AT_ONCE + CARDS]:
        assert post() == 0
        answer(desk, card)
        clock.pause(2)
    assert post() == 2
    assert said(slack)[-1] == "15 16 "


def test_cards_that_somebody_was_unsure_about_keep_no_others_out(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    cards = [deal(desk.engine, f"text {n}", priority=-n) for n in range(2 * AT_ONCE)]
    post()
    for card in cards[:AT_ONCE]:
        answer(desk, card, "unsure")
    clock.pause(2)
    assert post() == AT_ONCE


def test_forgotten_cards_keep_no_others_out(desk: Context, slack: Slack, clock: Clock, post: Post) -> None:
    for n in range(AT_ONCE):
        deal(desk.engine, f"text {n}")
    assert post() == AT_ONCE
    with database.writing(desk.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    deal(desk.engine, "new")
    clock.pause(2)
    assert (post(), said(slack)[-1]) == (1, "new")


def test_long_cards_take_more_messages(desk: Context, slack: Slack, post: Post) -> None:
    for n in range(AT_ONCE):
        deal(desk.engine, str(n) * 4000, priority=-n)
    post()
    lengths = [len(text) for text in said(slack)]
    assert lengths[0] == 2 * 2900
    assert all(length < 8000 for length in lengths)


def test_blind_claimed_and_closed_cards_are_not_posted(desk: Context, slack: Slack, clock: Clock, post: Post) -> None:
    deal(desk.engine, "audit", purpose="audit")
    deal(desk.engine, "flip", purpose="flip", challenger=2)
    held, closed = deal(desk.engine, "held"), deal(desk.engine, "closed")
    with database.writing(desk.engine) as connection:
        store.renew_claim(connection, held, "Ana", clock.now())
        store.set_status(connection, closed, "withdrawn", clock.now())
    assert post() == 0
    clock.pause(11 * 60)
    assert (post(), said(slack)) == (1, ["held"])


def test_a_bot_without_a_channel_or_archived_posts_nothing(desk: Context, slack: Slack, post: Post) -> None:
    deal(desk.engine, "text")
    set_bot(desk, slack_channel="")
    assert post() == 0
    set_bot(desk, slack_channel=CHANNEL)
    with database.writing(desk.engine) as connection:
        archive_bot(connection, BOT, AT)
    assert post() == 0
    assert slack.calls == []


def test_nothing_is_posted_in_quiet_hours_but_what_is_there_is_kept_up(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    first = deal(desk.engine, "first")
    post()
    deal(desk.engine, "second")
    set_bot(desk, quiet_hours="10:30-12:00", timezone="Europe/Paris")  # in winter Paris is an hour ahead of UTC
    answer(desk, first)
    clock.pause(59 * 60)
    assert (post(), said(slack)) == (0, ["firstAna said none of these\n"])
    clock.pause(60)
    assert (post(), said(slack)[-1]) == (1, "second")


@pytest.mark.parametrize("fault", ["error_after", "drop_after"])
def test_a_message_is_posted_once_though_slack_fails_after_accepting(
    desk: Context, slack: Slack, clock: Clock, post: Post, fault: Fault
) -> None:
    cards = [deal(desk.engine, f"{n} ", priority=-n) for n in range(CARDS + 1)]
    slack.fail("chat.postMessage", fault)
    assert post() == 0
    assert statuses(desk.engine) == dict.fromkeys(cards[:CARDS], "sending")
    clock.pause(29)
    assert (post(), len(slack.messages[CHANNEL])) == (0, 1)
    clock.pause(2)
    assert post() == 0
    assert statuses(desk.engine) == dict.fromkeys(cards[:CARDS], "open")
    assert said(slack) == ["0 1 2 3 4 "]


def test_a_post_that_never_arrived_is_sent_again_after_it_was_looked_up(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "error")
    assert (post(), said(slack)) == (0, [])
    clock.pause(31)
    assert post() == 1
    assert slack.calls == ["chat.postMessage", "auth.test", "conversations.history", "chat.postMessage"]
    clock.pause(31)
    post()
    assert (said(slack), statuses(desk.engine)) == (["text"], {card: "open"})


@pytest.mark.parametrize(("fault", "most"), [("error", 30), ("html", 30), ("team_added_to_org", 90)])
def test_an_hour_of_outage_loses_nothing_and_doubles_and_floods_nothing(
    desk: Context, slack: Slack, clock: Clock, post: Post, fault: Fault, most: int
) -> None:
    cards = [deal(desk.engine, f"{n} ", priority=-n) for n in range(AT_ONCE)]
    open_shop(desk.engine, "bank")
    deal(desk.engine, "bank", bot="bank")
    with database.writing(desk.engine) as connection:
        update_bot(connection, "bank", AT, slack_channel=CHANNEL)
    client = posting(desk.settings, desk.engine)

    def tick() -> int:
        clock.pause(20)
        return post() + dispatch(client, "bank", pause=clock.pause)

    slack.fail("chat.postMessage", "", "error_after")
    post()
    for method in ("auth.test", "chat.postMessage", "chat.update", "conversations.history"):
        slack.fail(method, *[fault] * 1000)
    answer(desk, cards[0])
    before = len(slack.calls)
    assert sum(tick() for _ in range(180)) == 0
    assert len(slack.calls) - before < most  # not one a tick and bot

    slack.faults.clear()
    before = len(slack.calls)
    assert sum(tick() for _ in range(16)) == 1  # after five minutes at most
    assert sorted(slack.calls[before:]) == [
        "auth.test",
        "chat.postMessage",
        "chat.update",
        "chat.update",  # of a message found in the history nobody knows what it shows
        "conversations.history",
    ]
    assert said(slack) == ["0 Ana said none of these\n1 2 3 4 ", "5 6 7 8 9 ", "bank"]


@pytest.mark.parametrize("faults", [["error_after"], ["error_after", "error_after"]])
def test_a_twin_made_by_a_history_that_lags_is_removed_when_it_is_seen(
    desk: Context, slack: Slack, clock: Clock, post: Post, faults: list[Fault]
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", *faults)
    slack.fail("conversations.history", "lag")
    post()
    clock.pause(31)
    post()
    assert said(slack) == ["text", "text"]
    clock.pause(31)
    post()
    assert (said(slack), statuses(desk.engine)) == (["text"], {card: "open"})


def test_a_click_on_a_twin_counts_and_is_shown_on_both(
    desk: Context, slack: Slack, clock: Clock, http_client: TestClient[Any], post: Post
) -> None:
    card, _other = deal(desk.engine, "text", priority=1.0), deal(desk.engine, "other")
    slack.fail("chat.postMessage", "error_after")
    slack.fail("conversations.history", "lag")
    post()
    clock.pause(31)
    post()
    original, twin = slack.messages[CHANNEL]
    request(http_client, slack.click("U1", original, "refund", within=card))
    eventually(lambda: slack.buttons(original, within=card) == ["Undo"])
    assert votes(desk.engine) == [(card, "slack:U1", "intent")]
    assert "refund" in slack.buttons(twin, within=card)
    clock.pause(31)
    post()
    assert said(slack) == ["text<U1> said refund\nother"]


def test_a_card_answered_elsewhere_while_its_post_is_unknown_is_not_sent_again(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "error")
    post()
    answer(desk, card)
    for _ in range(3):
        clock.pause(31)
        post()
    assert (said(slack), statuses(desk.engine)) == ([], {})
    assert slack.calls.count("conversations.history") == 2  # the first may lag


def test_a_message_of_answered_cards_that_a_lagging_history_hides_is_found_later(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "error_after")
    slack.fail("conversations.history", "lag")
    post()
    answer(desk, card)
    for _ in range(2):
        clock.pause(31)
        post()
    assert (said(slack), statuses(desk.engine)) == (["textAna said none of these\n"], {card: "resolved"})
    assert slack.calls.count("chat.postMessage") == 1


def test_a_click_on_a_card_whose_post_is_unknown_counts(
    desk: Context, slack: Slack, clock: Clock, http_client: TestClient[Any], post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "error_after")
    post()
    message = slack.messages[CHANNEL][0]
    clock.pause(2)  # Slack is not asked again sooner
    request(http_client, slack.click("U1", message, "refund"))
    eventually(lambda: slack.buttons(message) == ["Undo"])
    assert statuses(desk.engine) == {card: "sending"}
    clock.pause(31)
    post()
    assert (slack.buttons(message), statuses(desk.engine)) == (["Undo"], {card: "resolved"})


def test_retry_after_is_honoured_and_the_card_posted_later(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "rate_limited")
    assert (post(), statuses(desk.engine)) == (0, {})
    assert (post(), clock.waited) == (1, [1.1])
    assert statuses(desk.engine) == {card: "open"}


@pytest.mark.parametrize("error", ["token_revoked", "missing_scope", "channel_not_found"])
def test_what_slack_refuses_is_said_until_it_is_mended_and_posted_then(
    desk: Context,
    slack: Slack,
    clock: Clock,
    http_client: TestClient[Any],
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
) -> None:
    monkeypatch.setattr("service.operations.doctor.DEADLINE_S", 0.1)  # for the encoder, which is not here

    def checks() -> list[Json]:
        ready = http_client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        return [check for check in ready.json()["checks"] if check["name"] == "slack"]

    def doctor() -> list[tuple[str, str]]:
        found = examine(desk, lambda _connection, _bot: 0.0)
        return [(check.level, check.saw) for check in found if error in check.saw]

    deal(desk.engine, "text")
    slack.token_error = error
    assert (post(), post(), slack.calls) == (0, 0, ["chat.postMessage"])
    (check,) = checks()
    assert (check["level"], error in check["saw"], len(check["mend"]) > 20) == ("warning", True, True)
    assert doctor() == [("wrong", check["saw"])]
    slack.token_error = ""
    clock.pause(2)
    assert (post(), said(slack)) == (1, ["text"])
    assert checks() == [{"name": "slack", "level": "ok", "saw": "Slack refuses nothing"}]
    assert doctor() == []


@pytest.mark.parametrize(("fault", "error"), [("html", "not_slacks"), ("html_latin", "UnicodeDecodeError")])
def test_a_proxys_page_says_nothing_about_a_card_and_is_not_logged_as_an_error_of_slacks(
    desk: Context, slack: Slack, clock: Clock, post: Post, fault: Fault, error: str
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", fault)
    with structlog.testing.capture_logs() as logged:
        assert (post(), statuses(desk.engine)) == (0, {card: "sending"})
    assert {line["error"] for line in logged} == {"no_answer", error}
    with database.reading(desk.engine) as connection:
        assert [trouble.error for trouble in troubles(connection)] == ["no_answer"]
    clock.pause(31)
    assert (post(), said(slack)) == (1, ["text"])


def test_a_mended_token_is_noticed_though_nothing_is_to_be_posted(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.token_error = "account_inactive"
    post()
    answer(desk, card)
    slack.token_error = ""
    clock.pause(2)
    post()
    with database.reading(desk.engine) as connection:
        assert troubles(connection) == []
    assert slack.calls == ["chat.postMessage", "auth.test"]


def test_a_card_slack_will_not_have_does_not_hold_up_the_others(desk: Context, slack: Slack, post: Post) -> None:
    bad, good = deal(desk.engine, "text", priority=1.0), deal(desk.engine, "other")
    slack.fail("chat.postMessage", "invalid_blocks", "invalid_blocks")  # together, and the first alone
    assert post() == 1
    assert (statuses(desk.engine), said(slack)) == ({bad: "failed", good: "open"}, ["other"])
    assert post() == 0


def test_dispatchers_at_once_post_a_card_once(desk: Context, slack: Slack, post: Post) -> None:
    cards = {deal(desk.engine, f"{n} ") for n in range(AT_ONCE)}
    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while post():
        pass
    shown = [block["block_id"].split(":")[2] for one in slack.messages[CHANNEL] for block in of_turns(one)]
    assert (len(shown), set(shown)) == (len(cards), cards)


def of_turns(message: Json) -> list[Json]:
    return [block for block in message["blocks"] if block["block_id"].endswith(":turn")]


def message_of(desk: Context, card: str) -> str:
    with database.reading(desk.engine) as connection:
        found = messages.of_card(connection, card)
    assert found is not None
    return found


def test_whoever_redraws_a_message_is_redrawn_once_a_second(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    cards = [deal(desk.engine, f"{n} ", priority=-n) for n in range(3)]
    post()
    message_id, processes = message_of(desk, cards[0]), [posting(desk.settings, desk.engine) for _ in range(3)]
    answer(desk, cards[0])
    assert redraw(processes[0], message_id) == timedelta()
    assert redraw(processes[1], message_id) == timedelta()  # it shows everything
    answer(desk, cards[1])
    clock.pause(0.4)
    answer(desk, cards[2])
    assert [redraw(process, message_id).total_seconds() for process in processes] == [0.6, 0.6, 0.6]
    assert slack.calls.count("chat.update") == 1
    clock.pause(0.6)
    assert [redraw(process, message_id) for process in processes] == [timedelta()] * 3
    assert slack.calls.count("chat.update") == 2
    assert said(slack) == ["".join(f"{n} Ana said none of these\n" for n in range(3))]


def test_a_redraw_that_had_to_wait_is_made_up_for(desk: Context, slack: Slack, clock: Clock, post: Post) -> None:
    first, second = deal(desk.engine, "1 ", priority=1.0), deal(desk.engine, "2 ")
    post()
    message = slack.messages[CHANNEL][0]
    redrawer = Redrawer(posting(desk.settings, desk.engine))
    for card in (first, second):
        answer(desk, card)
        redrawer.redraw_card(card, message["ts"])
    assert said(slack) == ["1 Ana said none of these\n2 "]
    clock.pause(1)
    eventually(lambda: said(slack) == ["1 Ana said none of these\n2 Ana said none of these\n"])


def test_an_answer_on_a_message_that_was_sent_again_is_shown_before_it_is_looked_up(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    slack.fail("chat.postMessage", "error")
    post()
    clock.pause(31)
    post()
    assert statuses(desk.engine) == {card: "sending"}
    answer(desk, card)
    Redrawer(posting(desk.settings, desk.engine)).redraw_card(card, slack.messages[CHANNEL][0]["ts"])
    assert said(slack) == ["textAna said none of these\n"]


def test_an_answer_on_a_twin_is_shown_there_once_and_then_on_the_message(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    post()
    (message,) = slack.messages[CHANNEL]
    slack.messages[CHANNEL].append(message | {"ts": "1.000000"})
    answer(desk, card)
    Redrawer(posting(desk.settings, desk.engine)).redraw_card(card, "1.000000")
    shown = "textAna said none of these\n"
    assert said(slack) == ["text", shown]
    clock.pause(1)
    eventually(lambda: said(slack) == [shown, shown])
    assert slack.calls.count("chat.update") == 2


def test_a_redraw_is_not_overtaken_by_another_while_its_answer_is_out(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    card = deal(desk.engine, "text")
    post()
    client, message_id = posting(desk.settings, desk.engine), message_of(desk, card)
    slack.fail("chat.update", "drop_after")
    answer(desk, card)
    assert redraw(client, message_id) > timedelta(seconds=5)  # longer than a request takes
    answer(desk, card, "undo")
    clock.pause(3)
    assert redraw(client, message_id) > timedelta(seconds=1)
    clock.pause(20)
    post()
    assert said(slack) == ["text"]


def test_withdrawn_and_forgotten_cards_leave_their_message(
    desk: Context, slack: Slack, clock: Clock, post: Post
) -> None:
    kept, withdrawn, forgotten = (deal(desk.engine, f"{name} ", priority=-n) for n, name in enumerate("abc"))
    post()
    with database.writing(desk.engine) as connection:
        store.set_status(connection, withdrawn, "withdrawn", clock.now())
        turn = sa.select(tables.card.c.turn_id).where(tables.card.c.id == forgotten).scalar_subquery()
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn))
    post()
    assert said(slack) == ["a b This card was withdrawn: it needs no answer any more."]
    assert "This turn was forgotten." in str(slack.messages[CHANNEL][0]["blocks"])
    assert statuses(desk.engine) == {kept: "open", withdrawn: "withdrawn", forgotten: "gone"}
    before = len(slack.calls)
    post()
    assert len(slack.calls) == before


def test_a_message_that_somebody_deleted_is_left_alone(desk: Context, slack: Slack, post: Post) -> None:
    card = deal(desk.engine, "text")
    post()
    slack.messages[CHANNEL].clear()
    answer(desk, card)
    post()
    before = len(slack.calls)
    post()
    assert (statuses(desk.engine), len(slack.calls)) == ({card: "failed"}, before)
