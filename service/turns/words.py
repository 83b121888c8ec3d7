"""A text as the words it is found by, and what somebody who looks for one has typed. Both databases are given words
made here, so that a search means the same on either.

Case, accents and punctuation do not count. Of scripts that are written without spaces every character is a word."""

import re
import unicodedata
from typing import NamedTuple

from service.errors import BadInput

WORD_LENGTH = 64  # characters of a word that count
MOST_WORDS = 16  # of a search
LEAST_BEGINNING = 2  # characters of a beginning: one alone begins a third of all words

# Thai and Lao, Burmese, Khmer, Japanese and Chinese.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_PIECE = re.compile(r'"([^"]*)"?|([^\s"]+)')


class _Kept(dict[int, str]):
    """What becomes of a character, worked out once."""

    def __missing__(self, code: int) -> str:
        self[code] = kept = _kept(chr(code))
        return kept


def _kept(character: str) -> str:
    if unicodedata.combining(character):  # an accent
        return ""
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    return f" {character} " if _UNSPACED.match(character) else character


_KEPT = _Kept()


def words(text: str) -> list[str]:
    """
    >>> words("Où est mon COLIS n° 12-B ?"), words("退款吗")
    (['ou', 'est', 'mon', 'colis', 'n', '12', 'b'], ['退', '款', '吗'])
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    return [word[:WORD_LENGTH] for word in unicodedata.normalize("NFC", plain.translate(_KEPT)).split()]


class Asked(NamedTuple):
    """What a text must hold."""

    words: tuple[str, ...]
    beginning: str  # of one more of its words; "": none
    runs: tuple[str, ...]  # all of that as it stands in the words, with a space around each: phrases stand together


def asked(query: str) -> Asked:
    """Every word must occur; the last one may go on, and what is in quotes, or written as one, must stand together.

    >>> asked('refund ord')
    Asked(words=('refund',), beginning='ord', runs=(' refund ', ' ord'))
    >>> asked('"my order" e-mail "')
    Asked(words=('my', 'order', 'e', 'mail'), beginning='', runs=(' my order ', ' e mail '))
    """
    pieces = [(words(quoted or plain), bool(plain)) for quoted, plain in _PIECE.findall(query)]
    if not any(found for found, _ in pieces):
        raise BadInput("there is no word to search for", path="q", hint="type one that the turns hold")
    every = [word for found, _ in pieces for word in found]
    if len(every) > MOST_WORDS:
        raise BadInput(f"{len(every)} words; at most {MOST_WORDS}", path="q")
    goes_on = pieces[-1][1] and bool(pieces[-1][0]) and len(every[-1]) >= LEAST_BEGINNING
    runs = [f" {' '.join(found)} " for found, _ in pieces if found]
    if goes_on:
        return Asked(tuple(every[:-1]), every[-1], (*runs[:-1], runs[-1].rstrip()))
    return Asked(tuple(every), "", tuple(runs))
