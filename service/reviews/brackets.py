r"""Entities in bracket notation: `fly to [Lyon](city)`.

Outside the brackets and within them the text stays what it is, letter for letter. A backslash before `[`, `]`, `(`, `)`
or `\` makes it a letter like any other; `(` and `)` need that only in a type. Read leniently is only what forms and
messages change by themselves: white space around the whole, and how a line breaks.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from service.errors import BadInput
from service.learning import tagging
from service.reviews.schemas import SPANS_LIMIT, TYPE_LIMIT, Span

PATH = "entities"
HINT = "write an entity as [Lyon](city), and \\[ where the text has a bracket"
LONE = "a lone \\"
QUOTED = 20  # characters of the text in a message

_ESCAPE = r"\\[\[\]()\\]"
_LETTERS = re.compile(rf"(?:[^\[\]\\]|{_ESCAPE})+")
_TYPE = re.compile(rf"(?:[^()\\]|{_ESCAPE})+")
_UNIT = re.compile(r"\r\n|.", re.DOTALL)


def write(text: str, spans: Iterable[Span]) -> str:
    r"""The text with its entities marked. Of two that overlap the longer is written, of equals the first.

    >>> write("from Lyon [LYS]", [Span(5, 9, "city")])
    'from [Lyon](city) \\[LYS\\]'
    """
    parts, done = [], 0
    for start, end, kind in tagging.distinct(tagging.Span(*span) for span in spans):
        parts += [_escaped(text[done:start]), f"[{_escaped(text[start:end])}]({_escaped(kind, '()')})"]
        done = end
    return "".join([*parts, _escaped(text[done:])])


def _escaped(text: str, signs: str = "[]") -> str:
    return re.sub(rf"[{re.escape(signs)}\\]", r"\\\g<0>", text)


def parse(text: str, marked: str) -> tuple[Span, ...]:
    """The spans of the card's text that are marked, in order; BadInput names the place of the first fault.

    Any type may be written: a new one is how a tagger comes to know it.

    >>> parse("from Lyon", "from [Lyon](city)")
    (Span(start=5, end=9, type='city'),)
    """
    read = _read(marked)
    spans = read.spans if read.text == text else _moved(text, read)
    if len(spans) > SPANS_LIMIT:
        raise BadInput(f"more than {SPANS_LIMIT} entities", path=PATH)
    return tuple(spans)


class _Read(NamedTuple):
    """What a marked text says: the text without marks, and spans of it."""

    text: str
    spans: list[Span]


def _read(marked: str) -> _Read:
    text, spans, at = "", [], 0
    while at < len(marked):
        if letters := _LETTERS.match(marked, at):
            text, at = text + _letters(letters), letters.end()
            continue
        value, kind, at = _entity(marked, at)
        spans.append(Span(len(text), len(text) + len(value), kind))
        text += value
    return _Read(text, spans)


def _letters(found: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", found[0], flags=re.DOTALL)


def _entity(marked: str, at: int) -> tuple[str, str, int]:
    """Value and type of the entity that begins here, and where it ends."""
    if marked[at] != "[":
        raise _fault(marked, at, LONE if marked[at] == "\\" else "a ] closes nothing")
    value = _inside(marked, at, _LETTERS, "]")
    opened = value.end() + 1
    if marked[opened : opened + 1] != "(":
        raise _fault(marked, opened, "the type is missing")
    kind = _inside(marked, opened, _TYPE, ")")
    name = _letters(kind).strip()
    if not name:
        raise _fault(marked, opened, "the type is empty")
    if len(name) > TYPE_LIMIT:
        raise _fault(marked, opened, f"the type is longer than {TYPE_LIMIT} characters")
    return _letters(value), name, kind.end() + 1


def _inside(marked: str, at: int, letters: re.Pattern[str], close: str) -> re.Match[str]:
    """What stands between the sign here and the one that closes it."""
    found = letters.match(marked, at + 1)
    end = found.end() if found else at + 1
    follows = marked[end : end + 1]
    if not follows:
        raise _fault(marked, at, f"a {marked[at]} is not closed")
    if follows != close:
        raise _fault(marked, end, LONE if follows == "\\" else f"a {follows} inside an entity")
    if found is None:
        raise _fault(marked, at, f"{marked[at]}{close} is empty")
    return found


def _moved(text: str, read: _Read) -> list[Span]:
    """The spans in the card's text, which differs from the text that was read; BadInput unless it is only in white
    space around it, or in line breaks."""
    ours, theirs = _units(text), _units(read.text)
    if ours.units != theirs.units:
        raise _differs(ours.units, theirs.units)
    moved = [
        Span(ours.starts[theirs.place(start)], ours.starts[theirs.place(end)], kind) for start, end, kind in read.spans
    ]
    if empty := next((span for span in moved if span.start == span.end), None):
        raise _fault(text, empty.start, "an entity of white space that the text does not have")
    return moved


class _Units(NamedTuple):
    """A text without white space around it: its characters, every line break as one, and where each starts in the
    text; the last start is the end."""

    units: list[str]
    starts: list[int]

    def place(self, at: int) -> int:
        """Of the unit that starts at or after this place."""
        return min(bisect_left(self.starts, at), len(self.units))


def _units(text: str) -> _Units:
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    found = list(_UNIT.finditer(text, begin, max(begin, end)))
    units = ["\n" if unit[0] in ("\r", "\r\n") else unit[0] for unit in found]
    return _Units(units, [*(unit.start() for unit in found), max(begin, end)])


def _differs(ours: Sequence[str], theirs: Sequence[str]) -> BadInput:
    same = next(i for i, (a, b) in enumerate(zip_longest(ours, theirs)) if a != b)
    said, written = (_quoted("".join(units[same : same + QUOTED])) for units in (ours, theirs))
    return _fault(ours, same, f"the text says {said}, not {written}")


def _quoted(words: str) -> str:
    return f"“{words}”" if words else "nothing more"


def _fault(text: Sequence[str], at: int, detail: str) -> BadInput:
    """The detail begins with the place."""
    before = "".join(text[max(0, at - QUOTED) : at])
    return BadInput(f"{f'after “{before}”' if before else 'at the start'} {detail}", path=PATH, hint=HINT)
