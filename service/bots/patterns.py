"""A bot's own kinds of personal data: regular expressions from an owner, so neither trusted to be right nor to end.

`regex` and not `re`: its searches take a time limit.
"""

import string
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import regex

from service.bots.schemas import Pattern
from service.errors import BadInput, FencepostError
from service.turns.schemas import TEXT_LIMIT

SEARCH_S = 1.0  # of one pattern in one text; a sane one needs under a millisecond
PROBE_S = 0.25  # of one pattern in one probe, where it is set


class PatternTooSlow(FencepostError):
    """A pattern did not finish: the text can be neither shown nor stored."""

    type = "pattern-too-slow"

    def __init__(self, name: str) -> None:
        super().__init__(f"pattern {name} took over {SEARCH_S:g} s on one text", hint="`fencepost bot set` replaces it")


class Match(NamedTuple):
    start: int
    end: int


def check(pattern: Pattern, path: str) -> None:
    """BadInput for a pattern that does not compile, matches the empty text, or is slow on texts made to provoke it."""
    try:
        if _compiled(pattern.regex).search("", timeout=PROBE_S):
            hint = "ask for a character: + for *"
            raise BadInput(f"pattern {pattern.name} matches the empty text", path=path, hint=hint)
        for probe in _probes(pattern.regex):
            _exhaust(pattern, probe, PROBE_S)
    except regex.error as error:
        raise BadInput(f"pattern {pattern.name}: {error}", path=path) from error
    except TimeoutError as error:
        hint = "a repeat within a repeat, such as (a+)+, can take for ever"
        raise BadInput(f"pattern {pattern.name} takes too long on some texts", path=path, hint=hint) from error


def find(pattern: Pattern, text: str) -> list[Match]:
    """Where the pattern matches, in order; PatternTooSlow when it does not finish."""
    try:
        return _exhaust(pattern, text, SEARCH_S)
    except TimeoutError as error:
        raise PatternTooSlow(pattern.name) from error


def _exhaust(pattern: Pattern, text: str, seconds: float) -> list[Match]:
    found = _compiled(pattern.regex).finditer(text, timeout=seconds)
    return [Match(*match.span()) for match in found if match.end() > match.start()]


@lru_cache(maxsize=1_000)
def _compiled(source: str) -> "regex.Pattern[str]":
    return regex.compile(source)


def _probes(source: str) -> Iterator[str]:
    """Long texts of what the pattern speaks of, broken off before all it could want: a search that first looks for a
    character it needs finds it, and has to try."""
    own = sorted({character for character in source if character.isalnum()})
    tail = "\n" + "".join(sorted(set(source)))
    units = [*own, "a", "A", "0", " ", "-", ".", "a0", "a ", "0-", "".join(own), string.ascii_letters, string.digits]
    for unit in dict.fromkeys(filter(None, units)):
        yield (unit * TEXT_LIMIT)[: TEXT_LIMIT - len(tail)] + tail
