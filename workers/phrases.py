"""Key phrases: words and pairs of words that mark a cluster's texts.

A phrase is worth how many texts of the cluster say it, times the logarithm of how rare it is in the log, times that of
how much rarer than in the cluster; so no language needs a list of stop words. Of the demo's log, 2,313 turns, twelve
clusters have five phrases each: by the first two factors 32 of the 60 are words like `the`, `of` and `is`, by all three
2, and 7 are pairs with one. The square of the first logarithm does the same, until a cluster is a fifth of the log.

Where words are not told apart by spaces no phrase can be told either; such scripts are left out.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import regex

from service.scripts import UNSPACED
from service.turns.store import Saying

PHRASES = 5
SAID_BY = 3  # persons who have to say a phrase of their cluster; all those who are not known count as one

WORD = regex.compile(rf"[^\W_{UNSPACED}]+(?:['’][^\W_{UNSPACED}]+)*")


def key_phrases(clusters: Sequence[Sequence[Saying]], log: Sequence[Saying]) -> list[tuple[str, ...]]:
    """Of each cluster, the best first; the log holds its texts, too.

    >>> lost = [Saying("i lost my card", "a"), Saying("my card is lost", "b"), Saying("is it a lost card", "c")]
    >>> key_phrases([lost], [*lost, *(Saying(text, "d") for text in ("is it my order", "a coat", "is my bill high"))])
    [('card', 'lost')]
    """
    everywhere = Counter(phrase for turn in log for phrase in _phrases(turn.text))
    return [_best(_worth(_shared(turns), len(turns), everywhere, len(log))) for turns in clusters]


def _shared(turns: Sequence[Saying]) -> dict[str, int]:
    """How many texts say each phrase, of those that enough persons say."""
    said = [(phrase, one.person) for one in turns for phrase in _phrases(one.text)]
    persons = Counter(phrase for phrase, _ in set(said))
    texts = Counter(phrase for phrase, _ in said)
    return {phrase: count for phrase, count in texts.items() if persons[phrase] >= SAID_BY}


def _phrases(text: str) -> set[str]:
    words = WORD.findall(text.lower())
    return {*words, *map(" ".join, pairwise(words))}


def _worth(here: Mapping[str, int], texts: int, everywhere: Mapping[str, int], total: int) -> dict[str, float]:
    """Of the phrases that are more frequent here than everywhere."""
    rarities = {phrase: total / everywhere[phrase] for phrase in here}
    return {
        phrase: count * math.log(rarities[phrase]) * math.log(count / texts * rarities[phrase])
        for phrase, count in here.items()
        if count / texts * rarities[phrase] > 1
    }


def _best(scores: Mapping[str, float]) -> tuple[str, ...]:
    def by_worth(phrase: str) -> tuple[float, float, str]:
        """Of equals the one whose words are worth most: "gift card" before "gift" and "a gift"."""
        return -scores[phrase], -sum(scores.get(word, 0.0) for word in phrase.split()), phrase

    picked: list[str] = []
    for phrase in sorted(scores, key=by_worth):
        if len(picked) < PHRASES and not any(_overlap(phrase, other) for other in picked):
            picked.append(phrase)
    return tuple(picked)


def _overlap(phrase: str, other: str) -> bool:
    return not set(phrase.split()).isdisjoint(other.split())
