"""The editor of a card's entities: opened, typed in and kept for the answer, which carries them with the vote.

Nothing is stored on the way: what was kept travels in the page's forms. A vote without it says nothing of entities."""

import msgspec
import sqlalchemy as sa

from service.classifiers import store as classifiers
from service.errors import BadInput, TurnNotFound
from service.reviews import brackets, store
from service.reviews.schemas import CardView, Span
from service.reviews.views import likely_spans
from service.turns.store import texts_of

TYPES_SHOWN = 20


class EntitiesForm(msgspec.Struct, frozen=True, kw_only=True):
    """Entities in bracket notation; `again`: to go on typing."""

    entities: str
    again: bool = False


class Editor(msgspec.Struct, frozen=True, kw_only=True):
    """Open, with the error at its field; or closed, with what was kept."""

    marked: str
    is_open: bool
    error: str = ""
    kept: tuple[Span, ...] = ()


def begin(card: CardView) -> Editor:
    return Editor(marked=brackets.write(card.text, likely_spans(card)), is_open=True)


def read(card: CardView, typed: EntitiesForm) -> Editor:
    try:
        spans = brackets.parse(card.text, typed.entities)
    except BadInput as fault:
        return Editor(marked=typed.entities, is_open=True, error=f"{fault.detail[0].upper()}{fault.detail[1:]}.")
    return Editor(marked=brackets.write(card.text, spans), is_open=typed.again, kept=spans)


def spans_of(connection: sa.Connection, bot: str, card_id: str, marked: str) -> tuple[Span, ...] | None:
    """What an answer says of the card's entities; None when they were not looked at."""
    if not marked:
        return None
    turn_id = store.get_card(connection, bot, card_id).turn_id
    text = texts_of(connection, [turn_id]).get(turn_id)
    if text is None:
        raise TurnNotFound(bot, turn_id)
    return brackets.parse(text, marked)


def known_types(connection: sa.Connection, bot: str) -> tuple[str, ...]:
    """Those that the tagger knows, or the first of many."""
    n = classifiers.tagger_n(connection, bot)
    return () if n is None else classifiers.manifest(connection, bot, n).entity_types[:TYPES_SHOWN]
