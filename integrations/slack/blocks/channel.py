"""Cards in a channel's messages: open ones with their buttons, answered ones with who said what."""

from collections.abc import Sequence

from integrations.slack.blocks.elements import (
    BUTTON_TEXT,
    Block,
    Message,
    actions,
    button,
    context,
    cut,
    escape,
    menu,
    rich,
    search,
    section,
    words,
)
from integrations.slack.blocks.names import ANSWER, MORE, OTHER, Place
from integrations.slack.blocks.talk import SHORT_TEXT, Said, answers, conversation, quote
from service.reviews.schemas import CardView, Choice

LIKELIEST = 4
FEW = 5  # without probabilities so many intents become buttons; more would favour the first by name
GONE = "This turn was forgotten."
DIVIDER: Block = {"type": "divider"}


def card(view: CardView, said: Sequence[Said] = ()) -> Message:
    """A message of one card."""
    return Message(card_text(view), (_heading(view.bot, 1), *card_blocks(view, said)))


def cards(shown: Sequence[tuple[CardView, Sequence[Said]] | None]) -> Message:
    """A message of several cards of one bot, None where a turn was forgotten: at most 12 open ones, for a message holds
    50 blocks."""
    views = [one[0] for one in shown if one is not None]
    if not views:
        return gone()
    if len(shown) == 1:
        return card(views[0], shown[0][1] if shown[0] else ())
    parts = [[DIVIDER, *(card_blocks(*one) if one else gone().blocks)] for one in shown]
    blocks = (_heading(views[0].bot, len(shown)), *(block for part in parts for block in part))
    return Message(cards_text(views), blocks)


def card_blocks(view: CardView, said: Sequence[Said] = ()) -> list[Block]:
    """The card as it is now: three blocks while it is open, two once it is answered, one when it was withdrawn."""
    if view.status == "open":
        return [rich([*conversation(view), *answers(said)], place_of_view(view).block_id("turn")), *answer_rows(view)]
    text = quote(cut(view.text, SHORT_TEXT))
    if view.status == "withdrawn":
        note = section(words("This card was withdrawn: it needs no answer any more."))
        return [rich([text, *answers(said), note], place_of_view(view).block_id("turn"))]
    return [rich([text, *answers(said)], place_of_view(view).block_id("turn")), *([_undo(view)] if said else [])]


def card_text(view: CardView) -> str:
    return f"What does this person want? “{escape(cut(view.text, SHORT_TEXT))}”"


def cards_text(views: Sequence[CardView]) -> str:
    """The fallback of a message of several cards."""
    return card_text(views[0]) if len(views) == 1 else f"{len(views)} cards, the first: {card_text(views[0])}"


def gone() -> Message:
    """In place of a card whose turn was forgotten or expired."""
    return Message(GONE, (context(GONE),))


def _heading(bot: str, count: int) -> Block:
    return context(f"{bot}: what {'does this person' if count == 1 else 'do these people'} want?")


def place_of_view(view: CardView) -> Place:
    return Place(view.bot, view.id)


def answer_rows(view: CardView) -> list[Block]:
    """The likeliest intents, then every other answer; what is wanted now and then stands in the menu."""
    likeliest = [_choice(n, choice) for n, choice in enumerate(likely(_offered(view)))]
    rest = [
        search(OTHER, "Other…"),
        button(f"{ANSWER}:none", "None of these", "none"),
        button(f"{ANSWER}:unsure", "Unsure", "unsure"),
        menu(MORE, _questions(view)),
    ]
    rows = {"likeliest": likeliest, "rest": rest}
    return [actions(place_of_view(view).block_id(part), elements) for part, elements in rows.items() if elements]


def _questions(view: CardView) -> dict[str, str]:
    """Nobody is told why a blind card is asked."""
    asked = {"two": "Two intents…", "new": "New intent…", "entities": "Entities…"}
    return asked if view.blind else asked | {"why": "Why this one?"}


def _offered(view: CardView) -> Sequence[Choice]:
    """In no order of likelihood on a blind card, whatever it came with."""
    return [Choice(name) for name in sorted(one.intent for one in view.choices)] if view.blind else view.choices


def likely(choices: Sequence[Choice]) -> Sequence[Choice]:
    """The intents that become buttons: the likeliest; where nothing is known of likelihood all of a few, else what a
    user named, if anything."""
    if any(choice.probability is not None for choice in choices):
        return choices[:LIKELIEST]
    return choices if len(choices) <= FEW else [choice for choice in choices if choice.is_corrected]


def _choice(n: int, choice: Choice) -> Block:
    chance = "" if choice.probability is None else f" {choice.probability:.0%}"
    text = cut(choice.intent, BUTTON_TEXT - len(chance)) + chance
    style = {"style": "primary"} if choice.is_corrected else {}
    return button(f"{ANSWER}:{n}", text, f"intent:{choice.intent}") | style


def _undo(view: CardView) -> Block:
    return actions(place_of_view(view).block_id("undo"), [button(f"{ANSWER}:undo", "Undo", "undo")])
