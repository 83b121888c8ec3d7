"""What a channel is told besides cards: once each, and what an owner decides about a challenger that was held."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from integrations.slack import news, people
from integrations.slack.blocks.digest import Digest
from integrations.slack.client import posting
from service import database, tables
from service.bots.store import get_bot, update_bot
from service.classifiers import operations, store
from service.classifiers.operations import Word
from service.context import Context
from service.events import endpoints
from service.intents.store import by_name
from tests.support.channel import Clock, words
from tests.support.encoder import FakeEncoder
from tests.support.shop import AT, BOT, add_card, add_turn, deal
from tests.support.slack import CHANNEL, Json, Slack, problems
from workers.training import train

Act = Callable[[Json], None]
Post = Callable[[], int]


@pytest.fixture
def look(desk: Context, clock: Clock, post: Post) -> Callable[[], None]:
    """One look for news, and one run of the dispatcher."""

    def run() -> None:
        news.look(desk.engine, BOT, clock.at)
        post()

    return run


def insert(desk: Context, table: sa.Table, **row: Any) -> None:
    with database.writing(desk.engine) as connection:
        connection.execute(table.insert(), {"bot": BOT, **row} if "bot" in table.c else row)


def rows(desk: Context, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
    with database.reading(desk.engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(*(table.c[name] for name in columns)))]


def heads(slack: Slack) -> list[str]:
    return [message["blocks"][0]["text"]["text"] for message in slack.messages[CHANNEL]]


def owner(desk: Context, user: str = "U1") -> None:
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, user, "owner", AT, who="Olga")


def teach(desk: Context) -> None:
    """A first classifier in force, and a second one that is a copy of it."""
    add_turn(desk.engine, "where is my stuff")
    assert train(desk, FakeEncoder(), BOT, patience_s=0.0) == 1
    with database.writing(desk.engine) as connection:
        first = store.load(connection, BOT, 1)
        manifest = msgspec.structs.replace(first.manifest, replaced=1, labels=412)
        assert store.save(connection, BOT, first.head, manifest, "challenger", AT) == 2


def try_out(desk: Context, status: str, answers: Mapping[str, str], **gate: Any) -> dict[str, int]:
    """A gate of 2 against 1 that ended so: of each turn what the two decided, refund and track_order, and the right
    one. The turns by text."""
    with database.reading(desk.engine) as connection:
        ids = {name: by_name(connection, BOT, name).id for name in ("refund", "track_order", "cancel_order")}
    turns = {text: add_turn(desk.engine, text) for text in answers}
    for text, right in answers.items():
        own = {"turn_id": turns[text], "challenger": 2}
        insert(desk, tables.flip, **own, champion_intent_id=ids["refund"], challenger_intent_id=ids["track_order"])
        card = add_card(desk.engine, turns[text], purpose="flip", challenger=2, status="resolved", is_settled=True)
        label = {"use": "flip", "answer": "intent", "intent_id": ids[right], "origin": "vote", "card_id": card}
        insert(desk, tables.label, turn_id=turns[text], **label, at=AT)
    won, lost = (list(answers.values()).count(name) for name in ("track_order", "refund"))
    ended = {
        "compared": 200,
        "disagreed": 20,
        "opened_at": AT,
        "decided_at": AT,
        "reason": f"{won} wins, {lost} losses",
    }
    counts = {"wins": won, "losses": lost, "neither": len(answers) - won - lost}
    insert(desk, tables.gate, challenger=2, champion=1, status=status, **ended | counts | gate)
    with database.writing(desk.engine) as connection:
        if status == "promoted":
            assert store.promote(connection, BOT, 2, 1)
        else:
            store.set_status(connection, BOT, 2, "held")
    return turns


@pytest.fixture
def held(desk: Context, look: Callable[[], None]) -> dict[str, int]:
    """A challenger that lost, which the channel was told, and U1 as an owner; the turns it was tried on."""
    teach(desk)
    owner(desk)
    turns = try_out(desk, "held", ANSWERS)
    look()
    return turns


def decide(slack: Slack, act: Act, what: str, why: str) -> None:
    """U1 on the newest message."""
    act(slack.click("U1", slack.messages[CHANNEL][-1], what))
    slack.fill("U1", {"Why?": why})
    act(slack.submit("U1"))


ANSWERS = {"where is it": "track_order", "money please": "refund", "stop that": "cancel_order"}


def champion(desk: Context) -> int | None:
    with database.reading(desk.engine) as connection:
        return get_bot(connection, BOT).champion


def test_a_new_champion_is_told_once_with_its_gain_and_turns_that_flip(
    desk: Context, slack: Slack, look: Callable[[], None]
) -> None:
    teach(desk)
    try_out(desk, "promoted", ANSWERS)
    look()
    look()
    [told] = slack.messages[CHANNEL]
    assert told["text"].startswith("shop: classifier 2 is in force, in place of 1. It learnt from 412 labels.")
    said = words(told)
    assert "found the new one right 1 time, the old one 1, neither 1." in said
    assert "On recent turns that is +0.0 points of right answers (-7.8 to +7.8)." in said
    assert "where is itrefund → track_order: the new one is right" in said
    assert "money pleaserefund → track_order: the old one was right" in said
    assert "stop that" not in said
    assert problems(told["blocks"]) == []


def test_the_bots_first_classifier_is_told(desk: Context, slack: Slack, look: Callable[[], None]) -> None:
    teach(desk)
    look()
    assert heads(slack) == ["shop: classifier 1 is in force, the bot's first"]


def test_a_notice_is_posted_once_though_slack_fails_after_accepting_it(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    teach(desk)
    slack.fail("chat.postMessage", "500_after")
    look()
    clock.at += timedelta(minutes=1)
    look()
    assert len(slack.messages[CHANNEL]) == 1
    assert rows(desk, tables.message, "status") == [("posted",)]


def test_nothing_is_told_in_quiet_hours_and_old_news_never(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    teach(desk)
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, quiet_hours="09:00-11:00")
    look()
    assert slack.messages[CHANNEL] == []
    clock.at += timedelta(hours=1)
    look()
    assert len(heads(slack)) == 1
    try_out(desk, "promoted", ANSWERS)
    clock.at += timedelta(days=8)
    look()
    assert not [head for head in heads(slack) if "classifier 2" in head]


def test_turns_that_are_forgotten_or_asked_blind_are_not_quoted(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    teach(desk)
    turns = try_out(desk, "promoted", dict.fromkeys(("alpha", "beta", "gamma"), "track_order"))
    add_card(desk.engine, turns["alpha"], purpose="audit")
    look()
    said = words(slack.messages[CHANNEL][0])
    assert ["alpha" in said, "beta" in said] == [False, True]
    with database.writing(desk.engine) as connection:
        forgotten = tables.turn_content.c.turn_id == turns["beta"]
        connection.execute(sa.delete(tables.turn_content).where(forgotten))
    clock.at += timedelta(minutes=1)
    look()
    said = words(slack.messages[CHANNEL][0])
    assert ["beta" in said, "gamma" in said] == [False, True]
    assert rows(desk, tables.notice_turn, "turn_id") == [(turns["gamma"],)]


@pytest.mark.usefixtures("redacted_unlocked")
def test_an_owner_leaves_a_held_challenger_at_that(desk: Context, slack: Slack, act: Act, held: dict[str, int]) -> None:
    told = slack.messages[CHANNEL][-1]
    assert slack.buttons(told) == ["Promote", "Hold"]
    assert "(a win: only the new one was right): 1 wins, 1 losses." in words(told)
    act(slack.click("U2", told, "Hold"))
    assert slack.ephemerals[-1]["text"].startswith("Your click was not counted: this takes an owner of shop")
    assert not slack.stacks["U2"]
    decide(slack, act, "Hold", " refunds got worse, says ana@example.org\n")
    assert slack.buttons(slack.messages[CHANNEL][-1]) == []
    assert words(slack.messages[CHANNEL][-1]).endswith("<U1> left it at that.")
    done = ("classifier.hold", "slack:U1", {"n": 2, "reason": "refunds got worse, says <EMAIL>"})
    assert done in rows(desk, tables.audit_log, "action", "who", "details")
    assert champion(desk) == 1


def test_an_owner_promotes_a_held_challenger(
    desk: Context, slack: Slack, clock: Clock, act: Act, look: Callable[[], None], held: dict[str, int]
) -> None:
    late = slack.click("U1", slack.messages[CHANNEL][-1], "Promote")
    decide(slack, act, "Promote", "it is better at refunds")
    assert not slack.stacks["U1"]
    act(late)
    assert not slack.stacks["U1"], "it is decided"
    assert champion(desk) == 2
    assert words(slack.messages[CHANNEL][-1]).endswith("<U1> put it in force.")
    found = [row for row in rows(desk, tables.audit_log, "action", "details") if row[0] == "classifier.promote"]
    assert found == [("classifier.promote", {"n": 2, "replaced": 1, "reason": "it is better at refunds"})]
    clock.at += timedelta(hours=2)
    look()
    assert heads(slack)[-1] == "shop: classifier 2 is in force, in place of 1"
    assert "An owner put it in force." in words(slack.messages[CHANNEL][-1])


def test_two_owners_at_once_decide_once(desk: Context, slack: Slack, act: Act, held: dict[str, int]) -> None:
    owner(desk, "U2")
    act(slack.click("U2", slack.messages[CHANNEL][-1], "Promote"))
    decide(slack, act, "Hold", "refunds got worse")
    slack.fill("U2", {"Why?": "it is better"})
    act(slack.submit("U2"))
    assert champion(desk) == 1
    assert words(slack.messages[CHANNEL][-1]).endswith("<U1> left it at that.")


def test_a_decision_without_a_reason_is_none(desk: Context, slack: Slack, act: Act, held: dict[str, int]) -> None:
    decide(slack, act, "Promote", "  ")
    assert slack.stacks["U1"], "the view stays open"
    assert champion(desk) == 1


def test_it_is_too_late_when_something_else_is_in_force(
    desk: Context, slack: Slack, act: Act, held: dict[str, int]
) -> None:
    with database.writing(desk.engine) as connection:
        first = store.load(connection, BOT, 1)
        assert store.promote(connection, BOT, store.save(connection, BOT, first.head, first.manifest, "held", AT), 1)
    act(slack.click("U1", slack.messages[CHANNEL][-1], "Promote"))
    assert champion(desk) == 3
    assert words(slack.messages[CHANNEL][-1]).endswith("in force by now: there is nothing to decide.")


def test_a_challenger_that_somebody_promoted_elsewhere_is_theirs(
    desk: Context, slack: Slack, act: Act, held: dict[str, int]
) -> None:
    operations.promote(desk, BOT, 2, AT, Word("Olga (terminal)", "it is better"))
    act(slack.click("U1", slack.messages[CHANNEL][-1], "Hold"))
    assert words(slack.messages[CHANNEL][-1]).endswith("Olga (terminal) put it in force.")
    assert "classifier.hold" not in {action for (action,) in rows(desk, tables.audit_log, "action")}


def test_what_cannot_be_promoted_says_why_and_may_be_tried_again(
    desk: Context, slack: Slack, act: Act, held: dict[str, int]
) -> None:
    operations.promote(desk, BOT, 2, AT, Word("Olga", "it is better"))
    operations.roll_back(desk, BOT, 1, AT, Word("Olga", "it is worse"))
    decide(slack, act, "Promote", "it is better")
    assert "classifier 2 of bot 'shop' is retired: roll back to it" in slack.ephemerals[-1]["text"]
    assert slack.buttons(slack.messages[CHANNEL][-1]) == ["Promote", "Hold"]


def test_one_promoted_long_after_it_was_held_is_told(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    teach(desk)
    try_out(desk, "held", ANSWERS)
    look()
    clock.at += timedelta(days=30)
    operations.promote(desk, BOT, 2, clock.at, Word("Olga", "it is better"))
    look()
    assert "shop: classifier 2 is in force, in place of 1" in heads(slack)


def test_a_flip_that_was_corrected_since_is_not_quoted_as_won_or_lost(
    desk: Context, slack: Slack, act: Act, held: dict[str, int]
) -> None:
    card = f"flip2-{held['where is it']}"
    label = {"use": "flip", "answer": "none", "intent_id": None, "origin": "vote", "card_id": card, "at": AT}
    insert(desk, tables.label, turn_id=held["where is it"], **label)
    decide(slack, act, "Hold", "refunds got worse")
    said = words(slack.messages[CHANNEL][-1])
    assert ["where is it" in said, "money please" in said] == [False, True]


def test_nothing_is_written_where_it_could_not_be_posted(desk: Context, look: Callable[[], None]) -> None:
    teach(desk)
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel="")
    look()
    assert rows(desk, tables.notice, "key") == []


def test_one_that_nobody_was_asked_about_is_not_told(desk: Context, slack: Slack, look: Callable[[], None]) -> None:
    teach(desk)
    try_out(desk, "held", {})
    look()
    assert heads(slack) == ["shop: classifier 1 is in force, the bot's first"]


def test_cards_that_wait_for_an_adjudicator_are_told_once_a_day(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    deal(desk.engine, "text", status="adjudicate")
    clock.at -= timedelta(hours=2)  # 8 in the morning
    look()
    assert heads(slack) == []
    clock.at += timedelta(hours=2)
    look()
    look()
    assert words(slack.messages[CHANNEL][0]).endswith("fencepost slack people add shop U… --role adjudicator.\n")
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, "U1", "adjudicator", AT, who="Olga")
    clock.at += timedelta(days=1)
    look()
    assert heads(slack) == ["shop: 1 card waits for an adjudicator"] * 2
    assert words(slack.messages[CHANNEL][1]).endswith("Who is one, decides: /fencepost review shop\n")


def test_that_labelling_may_stop_is_told_once_a_champion(desk: Context, slack: Slack, look: Callable[[], None]) -> None:
    teach(desk)
    audit(desk, 40)
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, target=0.9)
    look()
    look()
    assert sorted(heads(slack)) == ["shop: classifier 1 is in force, the bot's first", "shop: labelling may stop"]
    assert "The target is reached" in words(slack.messages[CHANNEL][-1])


def audit(desk: Context, right: int) -> None:
    """Turns of the audit slice that the first classifier decided right."""
    with database.reading(desk.engine) as connection:
        refund = by_name(connection, BOT, "refund").id
    for n in range(right):
        turn = add_turn(desk.engine, f"text {n}")
        card = add_card(desk.engine, turn, purpose="audit", status="resolved")
        label = {"use": "audit", "answer": "intent", "intent_id": refund, "origin": "vote", "card_id": card, "at": AT}
        scores = {"n": 1, "intent_id": refund, "best_id": refund, "p1": 0.9, "p2": 0.1, "uncertainty": 0.2}
        insert(desk, tables.mark, turn_id=turn, kind="audit", value=0.1, rate=0.1, at=AT)
        insert(desk, tables.label, turn_id=turn, **label)
        insert(desk, tables.prediction, turn_id=turn, **scores)


def test_a_weeks_digest_comes_on_monday_morning_in_the_bots_time_zone(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    with database.writing(desk.engine) as connection:
        update_bot(connection, BOT, AT, timezone="America/New_York")
    add_turn(desk.engine, "in the week before")  # Monday 2 March 2026, 04:15 in New York
    for n in range(3):
        turn = add_turn(desk.engine, f"text {n}", minute=7 * 24 * 60)
        insert(desk, tables.mark, turn_id=turn, kind="boundary" if n else "audit", value=0.5, rate=0.1, at=AT)
    for n, who in enumerate(["Ana", "Ben", "Ana"]):
        vote = {"card_id": f"c{n}", "reviewer": who, "answer": "none", "surface": "slack", "click_id": str(n)}
        insert(desk, tables.vote, **vote, at=AT + timedelta(days=7))
    clock.at = datetime(2026, 3, 16, 12, 59, tzinfo=UTC)  # summer time began on the 8th
    look()
    assert heads(slack) == []
    clock.at += timedelta(minutes=1)
    look()
    look()
    assert heads(slack) == ["shop: the week from 9 March to 15 March 2026"]
    assert words(slack.messages[CHANNEL][0]).splitlines() == [
        "3 turns came in (1 the week before), 2 were marked; 0 reports said that the bot was wrong (0).",
        "Your team gave 3 answers by 2 people: 0 turns labelled. 0 cards open.",
        "No classifier is in force yet.",
    ]
    [(kept,)] = rows(desk, tables.notice, "news")
    assert msgspec.convert(kept, Digest).first_day == date(2026, 3, 9)


def test_a_digest_shows_the_pictures_that_slack_takes(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    add_turn(desk.engine, "text")
    client = posting(desk.settings, desk.engine)
    uploaded = client.files_upload_v2(content=b"\x89PNG\r\n\x1a\n", filename="progress.png")
    row = {"name": "progress", "key": "k", "file_id": uploaded["file"]["id"], "alt": "40 labels", "at": clock.at}
    insert(desk, tables.slack_picture, **row)
    clock.at = datetime(2026, 3, 9, 12, tzinfo=UTC)
    look()
    shown = slack.messages[CHANNEL][0]["blocks"][-1]
    assert (shown["slack_file"], shown["alt_text"]) == ({"id": uploaded["file"]["id"]}, "40 labels")


def test_a_digest_comes_without_a_picture_that_slack_does_not_have(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    add_turn(desk.engine, "text")
    insert(desk, tables.slack_picture, name="mix", key="k", file_id="F0GONE", alt="shares", at=clock.at)
    clock.at = datetime(2026, 3, 9, 12, tzinfo=UTC)
    look()
    [told] = slack.messages[CHANNEL]
    assert [block["type"] for block in told["blocks"]] == ["header", "rich_text"]
    assert rows(desk, tables.message, "status") == [("posted",)]


def test_a_week_in_which_nothing_happened_has_no_digest(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    clock.at = datetime(2026, 3, 9, 12, tzinfo=UTC)
    look()
    assert slack.messages[CHANNEL] == []


def test_endpoints_that_were_disabled_for_what_they_answered_are_told_once_each(
    desk: Context, slack: Slack, clock: Clock, look: Callable[[], None]
) -> None:
    with database.writing(desk.engine) as connection:
        for because in ("gone", "failing", "owner"):
            url = f"https://{because}.example/services/token"
            made = endpoints.add(connection, desk.keyring, BOT, url, (), AT, who="Olga")
            endpoints.disable(connection, made.endpoint.id, because, AT)
    look()
    clock.at += timedelta(hours=1)
    look()
    assert sorted(heads(slack)) == ["shop: endpoint 1 was disabled", "shop: endpoint 2 was disabled"]
    said = [words(message) for message in slack.messages[CHANNEL]]
    assert any("gone.example; it answered 410." in text for text in said)
    assert any("failing.example; every attempt failed for five days." in text for text in said)
    assert not any("token" in text for text in said)
    with database.writing(desk.engine) as connection:
        endpoints.disable(connection, 1, "gone", clock.at)  # enabled meanwhile, and disabled again
    look()
    assert len(heads(slack)) == 3
