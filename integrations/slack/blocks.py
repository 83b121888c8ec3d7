"""Block Kit messages, purely built.

What people wrote goes only into plain text and rich text elements, which Slack shows letter by letter: no mention, link
or mrkdwn in it can act. Limits are Slack's, in characters; what is too long is cut with an ellipsis."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from service.reviews.schemas import CardView, Choice, Line

Block = dict[str, object]

BUTTON_TEXT = 75
OPTION_TEXT = 75
OPTIONS = 100  # of one answer to an external select
TURN_TEXT = 2900  # a section holds 3,000; rich text is not documented, so it is kept below that
LINE_TEXT = 300
FALLBACK_TEXT = 150
LIKELIEST = 4
FEW = 5  # without probabilities so many intents become buttons; more would favour the first by name

ANSWER = "answer"  # action ids: answer:0, answer:none, …
OTHER = "other"
SLACK_USER = "slack:"  # a Slack user's name as a reviewer, before their id


class Message(msgspec.Struct, frozen=True):
    """`text` stands in for the blocks in notifications and screen readers."""

    text: str
    blocks: tuple[Block, ...]


class Said(NamedTuple):
    """A reviewer and what they answered, in words."""

    who: str
    what: str


class Place(NamedTuple):
    """The card that a block belongs to, as its block_id says: votes name the card, not the message."""

    bot: str
    card: str

    def block_id(self, part: str) -> str:
        return f"card:{self.bot}:{self.card}:{part}"


def place_of(block_id: str) -> Place:
    """ValueError for a block of another kind."""
    kind, bot, card, _part = block_id.split(":")
    if kind != "card":
        raise ValueError(f"{block_id!r} belongs to no card")
    return Place(bot, card)


def escape(text: str) -> str:
    """For `text` fields, which Slack reads as mrkdwn: no mention and no link survives.

    >>> escape("<!channel> & <@U1>")
    '&lt;!channel&gt; &amp; &lt;@U1&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """
    >>> cut("cancel_order", 8)
    'cancel_…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def card(view: CardView, said: Sequence[Said] = ()) -> Message:
    """The card as it is now: buttons while it is open, else who said what."""
    body = [_heading(view), _conversation(view), *_votes(view, said)]
    return Message(_fallback(view), (*body, *(_buttons(view) if view.status == "open" else _undo(view, said))))


def gone() -> Message:
    """In place of a card whose turn was forgotten or expired."""
    text = "This turn was forgotten."
    return Message(text, ({"type": "context", "elements": [plain(text)]},))


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def _heading(view: CardView) -> Block:
    return {"type": "context", "elements": [plain(f"{view.bot}: what does this person want?")]}


def _fallback(view: CardView) -> str:
    return f"What does this person want? “{escape(cut(view.text, FALLBACK_TEXT))}”"


def _conversation(view: CardView) -> Block:
    """The turn as a quote between what was said before and after it."""
    quote: Block = {"type": "rich_text_quote", "elements": [_text(cut(view.text, TURN_TEXT), bold=True)]}
    elements = [*map(_line, view.context.before), quote, *map(_line, view.context.after)]
    return {"type": "rich_text", "block_id": _place(view).block_id("turn"), "elements": elements}


def _line(line: Line) -> Block:
    who = "Person" if line.who == "user" else "Bot"
    return _section([_text(f"{who}: ", italic=True), _text(cut(line.text, LINE_TEXT) + "\n")])


def _section(elements: Iterable[Block]) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(text: str, **style: bool) -> Block:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


def _votes(view: CardView, said: Sequence[Said]) -> list[Block]:
    """Who said what, in the order they said it."""
    lines = [_section([_who(one.who), _text(" said "), _text(one.what, bold=True), _text("\n")]) for one in said]
    if view.status == "withdrawn":
        lines.append(_section([_text("This card was withdrawn: it needs no answer any more.")]))
    if not lines:
        return []
    return [{"type": "rich_text", "block_id": _place(view).block_id("votes"), "elements": lines}]


def _who(reviewer: str) -> Block:
    if reviewer.startswith(SLACK_USER):
        return {"type": "user", "user_id": reviewer.removeprefix(SLACK_USER)}
    return _text(reviewer)


def _place(view: CardView) -> Place:
    return Place(view.bot, view.id)


def _buttons(view: CardView) -> list[Block]:
    likeliest = [_choice(n, choice) for n, choice in enumerate(likely(view.choices))]
    rest = [_select(), _button("none", "None of these", "none"), _button("unsure", "Unsure", "unsure")]
    rows = {"likeliest": likeliest, "rest": rest}
    return [
        {"type": "actions", "block_id": _place(view).block_id(part), "elements": elements}
        for part, elements in rows.items()
        if elements
    ]


def likely(choices: Sequence[Choice]) -> Sequence[Choice]:
    """The intents that become buttons: the likeliest; where nothing is known of likelihood all of a few, else none."""
    if any(choice.probability is not None for choice in choices):
        return choices[:LIKELIEST]
    return choices if len(choices) <= FEW else ()


def _choice(n: int, choice: Choice) -> Block:
    chance = "" if choice.probability is None else f" {choice.probability:.0%}"
    return _button(str(n), cut(choice.intent, BUTTON_TEXT - len(chance)) + chance, f"intent:{choice.intent}")


def _button(name: str, text: str, value: str) -> Block:
    return {"type": "button", "action_id": f"{ANSWER}:{name}", "text": plain(text), "value": value}


def _select() -> Block:
    """Slack asks us for the options: the bot may have any number of intents."""
    return {"type": "external_select", "action_id": OTHER, "placeholder": plain("Other…"), "min_query_length": 0}


def _undo(view: CardView, said: Sequence[Said]) -> list[Block]:
    if view.status == "withdrawn" or not said:
        return []
    return [
        {
            "type": "actions",
            "block_id": _place(view).block_id("undo"),
            "elements": [_button("undo", "Undo", "undo")],
        }
    ]


def options(found: Iterable[tuple[int, str, str]]) -> list[Block]:
    """Options of *Other…* from (intent id, name, description)."""
    return [_option(*intent) for intent in list(found)[:OPTIONS]]


def _option(intent_id: int, name: str, description: str) -> Block:
    option: Block = {"text": plain(cut(name, OPTION_TEXT)), "value": str(intent_id)}
    return option | ({"description": plain(cut(description, OPTION_TEXT))} if description.strip() else {})
