"""Every Slack surface keeps Slack's limits, whatever people write; what they write acts nowhere."""

import doctest
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.slack.blocks import Block, Message, Said, card, cards, options, questions
from integrations.slack.blocks import home as home_tab
from integrations.slack.blocks.home import MOST_BOTS, Beside, Champion, Picture, Standing, home
from integrations.slack.blocks.metadata import MOST_SKIPPED, Asked, Sitting, asked_of, encode, sitting_of
from integrations.slack.blocks.reasons import UNEXPLAINED, reasons
from integrations.slack.blocks.review import Progress, nothing_left, review
from integrations.slack.blocks.samples import ANSWERED, BLIND, MESSAGE, OPEN, SITTING, surfaces
from integrations.slack.blocks.samples import CHOICES as SAMPLE_CHOICES
from integrations.slack.blocks.samples import SAID as SAMPLE_SAID
from service.clock import now
from service.intents.schemas import Intent
from service.learning.stopping import Estimate
from service.reviews.brackets import write
from service.reviews.budget import Week
from service.reviews.schemas import Around, CardView, Choice, Line, Mark, Reliability, Why
from tests.support.slack import option_problems, problems, view_problems

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
ODD = st.sampled_from(
    ["🙂", FAMILY, "مرحبا", "\u202e", "\n", "[", "](", "\\", "<!channel>", "*", "`", "&amp;", "x", " "]
)
TEXT = st.lists(ODD, min_size=1, max_size=40).map("".join) | st.integers(1, 4000).map("x".__mul__)
NAME = TEXT.map(lambda text: text[:200])
LINES = st.lists(st.builds(Line, st.sampled_from(["user", "bot"]), TEXT), max_size=4).map(tuple)
CHANCE = st.none() | st.floats(0, 1)
CHOICES = st.lists(st.builds(Choice, NAME, TEXT, st.just(()), CHANCE), max_size=9).map(tuple)
FACTORS = st.fixed_dictionaries({"impact": st.floats(0, 12), "pressure": st.floats(0, 1e4)})
MARKS = st.lists(st.builds(Mark, st.sampled_from(["boundary", "reported", "audit"]), st.floats(0, 1)), max_size=3)
VIEW = st.builds(
    CardView,
    id=st.just("0" * 32),
    bot=st.just("b" * 40),
    turn_id=st.just(1),
    purpose=st.just("rank"),
    blind=st.booleans(),
    status=st.sampled_from(["open", "resolved", "adjudicate", "withdrawn"]),
    text=TEXT,
    context=st.builds(Around, LINES, LINES),
    choices=CHOICES | st.integers(0, 500).map(lambda n: tuple(Choice(f"intent_{i}") for i in range(n))),
    why=st.none() | st.builds(Why, MARKS.map(tuple), FACTORS),
)
SAID = st.lists(st.builds(Said, st.just("slack:U1") | NAME, NAME), max_size=12)
PROGRESS = st.builds(Progress, st.integers(0, 9999), st.sampled_from(["", "1" * 32]), TEXT, NAME)
FULL = Sitting("b" * 40, tuple(str(n).zfill(32) for n in range(MOST_SKIPPED)))


def acting(part: object) -> list[object]:
    """Whatever in it Slack would read as more than letters, people's names left out."""
    if isinstance(part, list | tuple):
        return [found for one in part for found in acting(one)]
    if not isinstance(part, dict):
        return []
    acts = part.get("type") in ("mrkdwn", "link", "broadcast", "emoji", "channel") or part.get("emoji") is True
    return [part] if acts else [found for one in part.values() for found in acting(one)]


def check_message(message: Message) -> None:
    assert problems(message.blocks) == []
    assert "<" not in message.text
    assert acting(message.blocks) == []


def check_view(view: Block) -> None:
    assert view_problems(view) == []
    assert acting(view) == []


@settings(max_examples=60, deadline=None)
@given(VIEW, SAID)
def test_a_card_is_at_most_four_blocks_that_slack_takes(view: CardView, said: Sequence[Said]) -> None:
    message = card(view, said)
    check_message(message)
    assert len(message.blocks) - 1 <= 4  # without the message's heading


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(VIEW, SAID), min_size=1, max_size=12))
def test_a_message_holds_twelve_cards(shown: list[tuple[CardView, list[Said]]]) -> None:
    named = [(msgspec.structs.replace(view, id=f"{n:032}"), said) for n, (view, said) in enumerate(shown)]
    check_message(cards(named))


@settings(max_examples=60, deadline=None)
@given(VIEW, SAID, PROGRESS, TEXT)
def test_views_are_what_slack_takes(view: CardView, said: list[Said], progress: Progress, text: str) -> None:
    asked = Asked(view.bot, view.id, sitting=FULL)
    chosen = Intent(bot=view.bot, id=1, name=text[:200], created_at=now())
    check_view(review(view, progress, FULL, said=said, note=text))
    check_view(nothing_left(progress, FULL, text, note=text))
    check_view(questions.two(view, asked))
    check_view(questions.new(view, asked))
    check_view(questions.entities(view, asked, write(view.text, ()), chosen))
    check_view(questions.why(view, asked, reasons(view, 3)))


COUNT = st.integers(0, 10**6)
SHARE = st.floats(0, 1)
STANDINGS = st.lists(
    st.builds(
        Standing,
        st.just(""),
        COUNT,
        COUNT,
        COUNT,
        st.none() | st.builds(Reliability, st.just("slack:U1"), COUNT, COUNT, SHARE, SHARE, SHARE),
        st.builds(Week, COUNT, COUNT, COUNT),
        st.none()
        | st.builds(
            Champion, COUNT, st.just(now()), COUNT, COUNT, COUNT, st.none() | st.builds(Estimate, SHARE, SHARE, SHARE)
        ),
        st.none() | st.builds(Picture, st.just("F0123456789"), TEXT),
    ),
    max_size=3,
)


@settings(max_examples=30, deadline=None)
@given(STANDINGS, st.integers(0, 300), TEXT)
def test_a_home_tab_is_what_slack_takes(some: list[Standing], others: int, note: str) -> None:
    named = [one._replace(bot=f"{n:040}") for n, one in enumerate((some * MOST_BOTS)[:MOST_BOTS])]
    names = [f"{n:040}" for n in range(others)]
    check_view(home("U1", named, Beside(names, names), now(), note=note[:300]))


def test_the_examples_of_the_home_tab_are_true() -> None:
    assert doctest.testmod(home_tab) == (0, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1), NAME, TEXT), max_size=500))
def test_options_are_what_slack_takes(found: list[tuple[int, str, str]]) -> None:
    assert option_problems(options(found)) == []


@pytest.mark.parametrize("name", sorted(surfaces()))
def test_every_sample_is_what_slack_takes(name: str) -> None:
    surface = surfaces()[name]
    if isinstance(surface, Message):
        check_message(surface)
    else:
        check_view(surface)


def test_samples_are_written_one_file_each(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "integrations.slack.blocks", "--samples", str(tmp_path / "new" / "samples")]
    subprocess.run(command, check=True, capture_output=True)
    written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "new" / "samples").iterdir()}
    assert written.keys() == surfaces().keys()
    kinds = {name: "message" if "text" in one else one["type"] for name, one in written.items()}
    messages = {name for name, kind in kinds.items() if kind == "message"}
    assert {name for name in messages if not name.startswith("notice")} == {
        "card_answered",
        "card_forgotten",
        "card_open",
        "card_unsure",
        "card_withdrawn",
        "cards",
    }
    assert {kind for kind in kinds.values()} == {"message", "modal", "home"}


def elements(blocks: Sequence[Block]) -> list[Block]:
    return [one for block in blocks if block["type"] == "actions" for one in block["elements"]]  # type: ignore[attr-defined]


def test_a_card_offers_every_answer() -> None:
    rows = elements(card(OPEN).blocks)
    texts = [one["text"]["text"] for one in rows if one["type"] == "button"]  # type: ignore[index]
    likeliest = ["card_arrival 41%", "lost_card 39%", "card_linking 8%", "card_delivery_estimate 5%"]
    assert texts == [*likeliest, "None of these", "Unsure"]
    assert [one["placeholder"]["text"] for one in rows if one["type"] == "external_select"] == ["Other…"]  # type: ignore[index]
    menu = next(one for one in rows if one["type"] == "overflow")
    named = [one["text"]["text"] for one in menu["options"]]  # type: ignore[attr-defined]
    assert named == ["Two intents…", "New intent…", "Entities…", "Why this one?"]


def test_an_answered_card_is_short_and_only_its_undo_is_left() -> None:
    said = [Said("slack:U1", "lost_card")]
    message = card(msgspec.structs.replace(ANSWERED, text="y" * 4000), said)
    assert [block["type"] for block in message.blocks] == ["context", "rich_text", "actions"]
    assert [one["text"]["text"] for one in elements(message.blocks)] == ["Undo"]  # type: ignore[index]
    assert len(json.dumps(message.blocks)) < 1000


def test_a_blind_view_says_no_more_than_the_text_whatever_it_came_with() -> None:
    given = msgspec.structs.replace(OPEN, blind=True, choices=OPEN.choices[::-1])
    view = review(given, Progress(0), SITTING, said=SAMPLE_SAID)
    assert view == review(BLIND, Progress(0), SITTING)
    shown = [json.dumps(one) for one in (view, card(given).blocks, questions.two(given, MESSAGE))]
    for opinion in ("%", "Why this one?", "Your card was sent", "said"):
        assert not any(opinion in one for one in shown), opinion
    names = [one["text"]["text"] for one in elements(view["blocks"]) if one["type"] == "button"]  # type: ignore[arg-type,index]
    assert names == [*sorted(choice.intent for choice in SAMPLE_CHOICES), "None of these", "Unsure", "Skip"]
    assert reasons(given, 7) == [UNEXPLAINED]


def test_an_adjudicator_sees_what_was_said_on_a_blind_card() -> None:
    split = msgspec.structs.replace(BLIND, status="adjudicate")
    assert "Ben" in json.dumps(review(split, Progress(0), SITTING, said=SAMPLE_SAID))


def test_a_text_too_long_for_an_input_is_not_cut_but_refused() -> None:
    marked = "[" + "x" * 3000 + "](city)"
    view = questions.entities(OPEN, MESSAGE, marked, None)
    assert "submit" not in view
    assert questions.TOO_LONG in json.dumps(view)


def test_a_card_of_which_nothing_is_known_says_so() -> None:
    bare = msgspec.structs.replace(OPEN, choices=(Choice("a"), Choice("b")), why=Why())
    assert reasons(bare, 0) == [UNEXPLAINED]


def test_what_a_view_remembers_comes_back() -> None:
    assert sitting_of(encode(FULL)) == FULL
    asked = Asked("shop", "c-1", sitting=FULL)
    assert asked_of(encode(asked)) == asked
    assert FULL.skip("new").skipped[-1] == "new"
    assert len(FULL.skip("new").skipped) == MOST_SKIPPED


def test_what_a_user_named_is_the_first_button_and_the_first_reason() -> None:
    named = Choice("refund", probability=0.02, is_corrected=True)
    given = msgspec.structs.replace(OPEN, choices=(named, *SAMPLE_CHOICES), why=Why())
    first, second, *_ = [one for one in elements(card(given).blocks) if one["type"] == "button"]  # type: ignore[arg-type]
    assert (first["text"]["text"], first.get("style"), second.get("style")) == ("refund 2%", "primary", None)  # type: ignore[index,call-overload]
    said = reasons(given, 0)
    assert said[0] == "a user says that it is refund"
    assert said[1].startswith(f"{SAMPLE_CHOICES[0].probability:.0%}".replace("%", " %"))


def test_what_a_user_named_is_a_button_even_where_nothing_is_known_of_likelihood() -> None:
    unknown = tuple(Choice(f"intent_{n}") for n in range(20))
    given = msgspec.structs.replace(OPEN, choices=(Choice("refund", is_corrected=True), *unknown))
    buttons = [one for one in elements(card(given).blocks) if one["type"] == "button"]  # type: ignore[arg-type]
    assert [one["text"]["text"] for one in buttons] == ["refund", "None of these", "Unsure"]  # type: ignore[index,call-overload]
