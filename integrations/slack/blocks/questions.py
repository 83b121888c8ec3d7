"""Small views about one card: what takes more than a click to say, and why the card is asked.

A field's block is called as the field of the vote that it fills, so that an error finds its way back to it."""

from collections.abc import Sequence

from integrations.slack.blocks.channel import place_of_view
from integrations.slack.blocks.elements import (
    INPUT_TEXT,
    Block,
    context,
    field,
    modal,
    option,
    rich,
    search,
    section,
    typed,
    words,
)
from integrations.slack.blocks.metadata import Asked, encode
from integrations.slack.blocks.names import OTHER, TYPED, Question
from integrations.slack.blocks.talk import conversation
from service.intents.schemas import Intent
from service.reviews.schemas import NAME_LIMIT, WHY_LIMIT, CardView

TITLES: dict[Question, str] = {
    "two": "Two intents",
    "new": "New intent",
    "entities": "Entities",
    "why": "Why this one?",
}
TOO_LONG = "This text is too long to be edited in Slack: please mark its entities in the console."
NOTATION = "Put what is an entity in brackets, and its kind behind: fly to [Lyon](city). The rest stays as it is."


def two(view: CardView, asked: Asked) -> Block:
    fields = [
        field(_part(view, "intent"), "One intent", search(OTHER, "Find an intent")),
        field(_part(view, "second"), "And the other", search(OTHER, "Find an intent")),
    ]
    return _question("two", view, asked, fields)


def new(view: CardView, asked: Asked) -> Block:
    fields = [
        field(_part(view, "proposed"), "What should it be called?", typed(TYPED, limit=NAME_LIMIT)),
        field(
            _part(view, "why"),
            "Why is none of the intents right?",
            typed(TYPED, limit=WHY_LIMIT, multiline=True),
            hint="The bot's owner reads it.",
            optional=True,
        ),
    ]
    return _question("new", view, asked, fields)


def entities(view: CardView, asked: Asked, marked: str, chosen: Intent | None) -> Block:
    """`marked`: the text in bracket notation; `chosen`: the intent that is selected at first."""
    if len(marked) > INPUT_TEXT:
        return _modal("entities", asked, [_turn(view), context(TOO_LONG)])
    preset = option(chosen.name, str(chosen.id)) if chosen else None
    text = typed(TYPED, initial=marked, multiline=True)
    fields = [
        field(_part(view, "entities"), "Entities", text, hint=NOTATION),
        field(_part(view, "intent"), "Intent", search(OTHER, "Find an intent", preset)),
    ]
    return _question("entities", view, asked, fields)


def why(view: CardView, asked: Asked, reasons: Sequence[str]) -> Block:
    lines = [section(words(f"• {reason}\n")) for reason in reasons]
    return _modal("why", asked, [_turn(view), rich(lines)])


def _question(question: Question, view: CardView, asked: Asked, fields: Sequence[Block]) -> Block:
    return _modal(question, asked, [_turn(view), *fields], submit="Answer")


def _modal(question: Question, asked: Asked, blocks: Sequence[Block], submit: str = "") -> Block:
    close = "Cancel" if submit else "Back"
    return modal(question, TITLES[question], blocks, encode(asked), submit=submit, close=close)


def _turn(view: CardView) -> Block:
    return rich(conversation(view), _part(view, "turn"))


def _part(view: CardView, part: str) -> str:
    return place_of_view(view).block_id(part)
