"""`fencepost label`: a reviewer's keys, on the database itself."""

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from service import database, tables
from service.cli import cli
from service.context import Context
from service.reviews import rules, terminal, voting
from service.reviews.labels import training_labels
from service.reviews.schemas import Reviewer, Vote
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, deal, open_shop


@pytest.fixture(autouse=True)
def shop(context: Context) -> None:
    open_shop(context.engine)


def label(context: Context, keys: str, *options: str) -> Result:
    arguments = ["label", "--bot", BOT, *(options or ("--as", "Ana"))]
    return CliRunner().invoke(cli, arguments, input=keys, obj=context.settings, catch_exceptions=False)


def votes(context: Context) -> list[tuple[str, str, int | None]]:
    c = tables.vote.c
    with database.reading(context.engine) as connection:
        rows = connection.execute(sa.select(c.card_id, c.answer, c.intent_id).order_by(c.id))
        return [(row.card_id, row.answer, row.intent_id) for row in rows]


def test_one_key_answers_one_card(context: Context) -> None:
    cards = [deal(context.engine, f"text {n}", priority=1 - n / 10) for n in range(4)]
    result = label(context, "2nuq")
    assert votes(context) == [(cards[0], "intent", 1), (cards[1], "none", None), (cards[2], "unsure", None)]
    assert "3 answered. Thank you, Ana." in result.output
    assert [job.func_name for job in context.queue.jobs] == ["workers.jobs.resolve"]


def test_a_card_shows_its_conversation_choices_and_why(context: Context) -> None:
    turn_id = add_turn(context.engine, "and where is [it] now", conversation="c", minute=2)
    add_turn(context.engine, "I ordered a lamp", conversation="c", minute=1)
    add_reply(context.engine, "Thanks for your order", conversation="c", minute=1)
    add_card(context.engine, turn_id)
    output = label(context, "q").output
    for words in ("I ordered a lamp", "Thanks for your order", "and where is [it] now", "1 cancel_order", "2 refund"):
        assert words in output
    assert "money back for an order" in output


def test_back_takes_the_last_answer_back_and_shows_its_card_again(context: Context) -> None:
    first, second = deal(context.engine, "one", priority=1), deal(context.engine, "two")
    label(context, "1b2nq")
    assert votes(context) == [
        (first, "intent", 2),
        (first, "undo", None),
        (first, "intent", 1),
        (second, "none", None),
    ]
    rules.resolve_votes(context, BOT)
    with database.reading(context.engine) as connection:
        assert sorted(str(found.intent_id) for found in training_labels(connection, BOT)) == ["1", "None"]


def test_other_finds_any_intent_by_a_few_letters(context: Context) -> None:
    card = deal(context.engine, "where")
    result = label(context, "otrakc\n1q")
    assert votes(context) == [(card, "intent", 3)]
    assert "1 track_order" in result.output


def test_a_search_can_be_left_and_other_keys_mean_nothing(context: Context) -> None:
    card = deal(context.engine, "where")
    label(context, "o\n9xn")
    assert votes(context) == [(card, "none", None)]


@pytest.mark.parametrize(
    ("keys", "spans"),
    [
        ("n", None),
        ("eto [Lyon](city)\nn", [[3, 7, "city"]]),
        ("eto Lyon\nn", []),
        ("e\nn", None),  # left
        ("eto [Lyon](city)\ne\nn", None),  # left the second time
        ("eto [Lyon](city)\neto [Lyons](city)\nn", [[3, 7, "city"]]),  # a fault changes nothing
    ],
)
def test_entities_are_marked_in_brackets(context: Context, keys: str, spans: list[object] | None) -> None:
    deal(context.engine, "to Lyon")
    output = label(context, keys).output
    with database.reading(context.engine) as connection:
        assert connection.execute(sa.select(tables.vote.c.spans)).all() == [(spans,)]
    assert ("after “to Lyon” the text says nothing more" in output) == ("Lyons" in keys)


def test_a_long_list_of_choices_is_searched(context: Context) -> None:
    with database.writing(context.engine) as connection:
        rows = [{"bot": BOT, "id": n, "name": f"intent_{n}", "created_at": AT} for n in range(4, 14)]
        connection.execute(tables.intent.insert(), rows)
    deal(context.engine, "where", purpose="audit")
    output = label(context, "1q").output
    assert votes(context) == []
    assert "blind" in output and "intent_13" in output


def test_the_name_is_asked_for_and_kept(context: Context) -> None:
    deal(context.engine, "one")
    label(context, "Ben\nnq", "--bot", BOT)
    with database.reading(context.engine) as connection:
        vote = connection.execute(sa.select(tables.vote.c.reviewer, tables.vote.c.surface)).one()
    assert tuple(vote) == ("Ben", "terminal")


@pytest.mark.parametrize("name", ["slack:U1", " ", "a\0b"])
def test_a_name_that_nobody_here_may_have_is_refused(context: Context, name: str) -> None:
    deal(context.engine, "one")
    result = label(context, "n", "--as", name)
    assert (result.exit_code, votes(context)) == (2, [])
    assert "Invalid value for --as:" in result.output


def test_nothing_to_review_and_no_such_bot(context: Context) -> None:
    assert "No card is waiting for you." in label(context, "").output
    result = label(context, "", "--bot", "bank", "--as", "Ana")
    assert (result.exit_code, result.output.splitlines()[0]) == (1, "Error: there is no bot 'bank'")


def test_somebody_faster_is_said_and_not_an_error(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    card = deal(context.engine, "one")

    def close_it_first() -> str:
        with database.writing(context.engine) as connection:
            connection.execute(sa.update(tables.card).where(tables.card.c.id == card).values(status="withdrawn"))
        return next(keys)

    keys = iter("nq")
    monkeypatch.setattr(terminal, "_key", close_it_first)
    result = label(context, "")
    assert votes(context) == []
    assert "was resolved by withdrawal" in result.output


def test_an_adjudicator_sees_both_answers_and_reviewers_shows_who_agrees(context: Context) -> None:
    card = deal(context.engine, "text", purpose="audit", overlap=2)
    with database.writing(context.engine) as connection:
        for name, intent in (("Ana", "refund"), ("Ben", "track_order")):
            vote = Vote(answer="intent", intent=intent, click_id=name)
            voting.vote(connection, BOT, card, Reviewer(name), vote, AT, surface="api")
    output = label(context, "1", "--as", "Zoe").output
    assert "Ana: refund" in output and "Ben: track_order" in output
    shown = CliRunner().invoke(cli, ["reviewers", BOT], obj=context.settings, catch_exceptions=False).output
    assert "Ana" in shown and "0.0% (0.0 to 79.3)" in shown and "Krippendorff's α 0.000 over 1 cards" in shown
    as_json = CliRunner().invoke(cli, ["reviewers", "--json"], obj=context.settings, catch_exceptions=False).output
    assert [one["reviewer"] for one in json.loads(as_json)[BOT]["reviewers"]] == ["Ana", "Ben"]
