"""What people type for others to read, redacted by patterns alone.

Turns, replies and reports go through the redaction of workers/redaction.py. That loads recognizers, takes seconds to
start, and knows phone numbers from order numbers; a word typed in the console or in Slack is stored at once, so it goes
through patterns alone, which rather redact too much. Names they do not know: a word about a turn lies with the turn's
content and is deleted with it, see service/reviews/remarks.py."""

from collections.abc import Sequence

import sqlalchemy as sa

from service import database
from service.bots import patterns
from service.bots.patterns import PatternTooSlow
from service.bots.schemas import Pattern
from service.bots.store import get_bot
from service.errors import BadInput

# Each is done in time proportional to the text, whatever is typed: they run while somebody waits.
OURS = (
    Pattern(name="email", regex=r"(?<![^\s@])[^\s@]++@[^\s@]*[^\s@.,;:!?)]"),
    Pattern(
        name="url",
        regex=r"(?i)\b(?:https?://|www\.)\S+|(?<![\w-]|[\w-]\.)(?:[\w-]++\.)++[^\W\d][\w-]*+(?::\d+)?/\S*",
    ),
    Pattern(  # digits in the second four: words of four letters are none
        name="iban",
        regex=r"(?i)\b[a-z]{2}\d{2}[ -]?[a-z0-9]{4}[ -]?(?=[a-z]{0,3}\d)[a-z0-9]{4}(?:[ -]?[a-z0-9]{4}){0,5}"
        r"[ -]?[a-z0-9]{0,3}\b",
    ),
    Pattern(name="ip", regex=r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    Pattern(  # a telephone's, a card's, an account's; not a day
        name="number",
        regex=r"(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)(*SKIP)(*FAIL)|\+?\(?\d(?:[\s()./\u2010-\u2013-]{0,3}\d){6,}",
    ),
)


def redacted_for(engine: sa.Engine, bot: str, text: str, path: str) -> str:
    """By the bot's patterns and ours; `path`: of the field that was typed. To be called before anything is written: an
    owner's pattern may take a second."""
    with database.reading(engine) as connection:
        own = get_bot(connection, bot).patterns
    return redacted(text, own, path)


def redacted(text: str, own: Sequence[Pattern], path: str) -> str:
    """Placeholders for addresses, for numbers of seven digits and more, and for what the bot's own patterns find.
    BadInput where one of these does not finish.

    >>> redacted("ask anna@example.org or +44 20 7946 0958 about ORD-4711", [Pattern("order", r"ORD-\\d+")], "reason")
    'ask <EMAIL> or <NUMBER> about <ORDER>'
    """
    for pattern in (*own, *OURS):
        try:
            found = patterns.find(pattern, text)
        except PatternTooSlow as error:
            raise BadInput(error.detail, path=path, hint=error.hint) from error
        for match in reversed(found):
            text = f"{text[: match.start]}<{pattern.name.upper()}>{text[match.end :]}"
    return text
