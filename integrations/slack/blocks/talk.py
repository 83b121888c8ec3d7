"""The conversation around a turn, and who said what about it, as rich text: Slack shows it letter by letter."""

from collections.abc import Sequence
from typing import NamedTuple

from integrations.slack.blocks.elements import Block, cut, section, user, words
from service.access.roles import SLACK_USER
from service.reviews.schemas import CardView, Line

TURN_TEXT = 2900  # a section holds 3,000; rich text is not documented, so it is kept below that
LINE_TEXT = 300
SHORT_TEXT = 150
NAME_TEXT = 80
MOST_SAID = 10


class Said(NamedTuple):
    """A reviewer and what they answered, in words."""

    who: str
    what: str


def conversation(view: CardView) -> list[Block]:
    """The turn as a quote between what was said before and after it; of a blind card before, whatever it came with."""
    after = () if view.blind else view.context.after
    return [*map(_line, view.context.before), quote(cut(view.text, TURN_TEXT)), *map(_line, after)]


def quote(text: str) -> Block:
    return {"type": "rich_text_quote", "elements": [words(text, bold=True)]}


def _line(line: Line) -> Block:
    who = "Person" if line.who == "user" else "Bot"
    return section(words(f"{who}: ", italic=True), words(cut(line.text, LINE_TEXT) + "\n"))


def answers(said: Sequence[Said]) -> list[Block]:
    """Who said what, in the order they said it."""
    shown = [
        section(person(one.who), words(" said "), words(cut(one.what, 2 * NAME_TEXT), bold=True), words("\n"))
        for one in said[:MOST_SAID]
    ]
    hidden = len(said) - len(shown)
    return [*shown, section(words(f"and {hidden} more\n"))] if hidden else shown


def person(reviewer: str) -> Block:
    if reviewer.startswith(SLACK_USER):
        return user(reviewer.removeprefix(SLACK_USER))
    return words(cut(reviewer, NAME_TEXT))
