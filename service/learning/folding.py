"""Which turns say the same, so that one answer serves them all.

Near in meaning is not enough: "book it" and "do not book it" lie close, and "yes" means what was asked before it.
"""

import re
from typing import NamedTuple

from service.learning.diversity import DUPLICATE

SHORT = 2  # words up to which a turn means nothing without its context

WORD = re.compile(r"\w+(?:['’]\w+)*")
DIGITS = re.compile(r"\d+(?:[.,:/]\d+)*")
PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")  # of the redaction: its number counts values, it says nothing

# Without apostrophes, as people type them. A word that means something else elsewhere merely keeps two turns apart.
NEGATIONS_LISTED = """
    no not never none nothing nobody nowhere neither nor without cannot cant dont doesnt didnt wont wouldnt shouldnt
    couldnt isnt arent wasnt werent havent hasnt hadnt aint nope nah
    nicht kein keine keinen keinem keiner nie niemals nichts ohne nein
    pas jamais aucun aucune rien sans non ni nunca nada sin ningun ninguna não nem sem mai niente senza
    niet geen nooit zonder
"""
UNITS_LISTED = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
TENS_LISTED = "twenty thirty forty fifty sixty seventy eighty ninety"
ORDINALS_LISTED = "first second third fourth fifth sixth seventh eighth ninth tenth"

NEGATIONS = frozenset(NEGATIONS_LISTED.split())
NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(UNITS_LISTED.split())}
    | {word: str(10 * value) for value, word in enumerate(TENS_LISTED.split(), start=2)}
    | {word: f"#{value}" for value, word in enumerate(ORDINALS_LISTED.split(), start=1)}
    | {"once": "1", "twice": "2", "both": "2", "dozen": "12", "hundred": "100", "thousand": "1000", "half": "½"}
)


class Utterance(NamedTuple):
    """What folding looks at: a turn's text and what stood before it in its conversation, "" where nothing did."""

    text: str
    reply: str  # the bot's, directly before
    before: str  # the user's turn before that
    entities: str  # entity signature


class Key(NamedTuple):
    """Turns fold only when these are equal."""

    reply: str
    entities: str
    negations: int
    numbers: tuple[str, ...]
    context: str | None  # of a short turn: what the user said before; None: the turn speaks for itself


def key(turn: Utterance) -> Key:
    """What has to agree beside the meaning.

    >>> key(Utterance("I don't want two", "Shall I book 3?", "", "")).negations
    1
    """
    spoken = words(turn.text)
    return Key(
        reply=" ".join(words(DIGITS.sub(" ", turn.reply))),  # the reply to another order is the same reply
        entities=turn.entities,
        negations=sum(is_negation(word) for word in spoken),
        numbers=numbers(turn.text),
        context=" ".join(words(turn.before)) if len(spoken) <= SHORT else None,
    )


def folds(one: Key, other: Key, cosine: float) -> bool:
    """Whether an answer to one turn serves the other: within the duplicate radius, and nothing that matters differs."""
    return cosine >= DUPLICATE and one == other


def words(text: str) -> list[str]:
    """Casefolded words, placeholders of the redaction left out."""
    return WORD.findall(PLACEHOLDER.sub(" ", text).casefold())


def is_negation(word: str) -> bool:
    """
    >>> [is_negation(word) for word in ("isn't", "cannot", "knot")]
    [True, True, False]
    """
    plain = word.replace("'", "").replace("’", "")
    return plain in NEGATIONS or (plain != word and plain.endswith("nt"))


def numbers(text: str) -> tuple[str, ...]:
    """Numbers in the order they are said, digits and English words alike.

    >>> numbers("two tickets for 7:30, order 0048, the first row")
    ('2', '7:30', '0048', '#1')
    """
    plain = PLACEHOLDER.sub(" ", text).casefold()
    found = re.findall(rf"{DIGITS.pattern}|{WORD.pattern}", plain)
    return tuple(NUMBER_WORDS.get(item, item) for item in found if item in NUMBER_WORDS or item[0].isdigit())
