"""Entities as spans of a text, as labels of its tokens, and how sure a tagger is of them.

Tokens are words and single marks of punctuation, by exact character offsets; labels are BIO: `B-city` opens a span,
`I-city` goes on with it, `O` is outside. What a tagger believes is the probability of its best labelling and, token by
token, marginals. CRFsuite has no n-best list, so of the gap to the second best labelling only a bound is known: what
the best one leaves, 1 - p, is the most that the second can have.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import category

import numpy as np

from service.learning.types import Floats1d, Floats2d

OUTSIDE = "O"
# Accents and vowel signs belong to the letter before them; \w leaves them out.
_MARKS = "".join(char for char in map(chr, range(0x300, 0x10000)) if category(char).startswith("M"))
# Scripts that put no blanks between words: Thai, Lao, Burmese, Khmer, Chinese and Japanese. There a letter is a token.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_UNSPACED}][{_MARKS}]*|(?:(?![{_UNSPACED}])[\w{_MARKS}])+|\S")


class Span(NamedTuple):
    """`text[start:end]` is an entity of this type."""

    start: int
    end: int
    type: str


class Token(NamedTuple):
    """`text[start:end]` is one word or one mark of punctuation."""

    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """In order, none empty, nothing but white space between them.

    >>> tokenize("Ed's gig")
    [Token(start=0, end=2), Token(start=2, end=3), Token(start=3, end=4), Token(start=5, end=8)]
    """
    return [Token(*found.span()) for found in _TOKEN.finditer(text)]


def distinct(spans: Iterable[Span]) -> list[Span]:
    """Without those that overlap: of two the longer stays, of equals the one that starts first.

    >>> distinct([Span(0, 4, "city"), Span(2, 9, "airport"), Span(10, 12, "day")])
    [Span(start=2, end=9, type='airport'), Span(start=10, end=12, type='day')]
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span)):
        if span.start < span.end and all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept)


def to_labels(tokens: Sequence[Token], spans: Iterable[Span]) -> list[str]:
    """One label per token. A span that ends inside a token takes all of it, unless another span holds it already.

    >>> to_labels(tokenize("to New York"), [Span(3, 11, "city")])
    ['O', 'B-city', 'I-city']
    """
    labels = [OUTSIDE] * len(tokens)
    for span in distinct(spans):
        touched = [i for i, (start, end) in enumerate(tokens) if start < span.end and end > span.start]
        free = [i for i in touched if labels[i] == OUTSIDE]
        for place, i in enumerate(free):
            labels[i] = f"{'I' if place else 'B'}-{span.type}"
    return labels


def to_spans(tokens: Sequence[Token], labels: Sequence[str]) -> list[Span]:
    """The spans of any labels: an `I` that goes on with nothing opens a span.

    >>> to_spans(tokenize("to New York"), ["O", "B-city", "I-city"])
    [Span(start=3, end=11, type='city')]
    """
    spans: list[Span] = []
    before = OUTSIDE
    for token, label in zip(tokens, labels, strict=True):
        if label.startswith("I-") and before[2:] == label[2:]:
            spans[-1] = spans[-1]._replace(end=token.end)
        elif label != OUTSIDE:
            spans.append(Span(*token, label[2:]))
        before = label
    return spans


def token_margins(marginals: Floats2d) -> Floats1d:
    """1 - (m1 - m2) of each token's two likeliest labels, (t,) in [0, 1]; marginals (t, k), rows summing to 1.

    >>> token_margins(np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]])).round(2).tolist()
    [1.0, 0.2]
    """
    if marginals.shape[1] < 2:
        return np.zeros(len(marginals))
    second, first = np.partition(marginals, -2, axis=1)[:, -2:].T
    return np.asarray(np.clip(1 - (first - second), 0.0, 1.0))


def boundary_ambiguity(probability: float, marginals: Floats2d) -> float:
    """How undecided a tagger is about a turn, in [0, 1]; higher = ask first, 0 for a turn without tokens.

    The mean of the weakest token's margin and of one minus the least gap that the two best labellings can have,
    1 - (p - (1 - p)); where only two labellings are possible both say the same.

    >>> boundary_ambiguity(0.9, np.array([[0.9, 0.1], [1.0, 0.0]]))
    0.2
    """
    if not len(marginals):
        return 0.0
    gap = min(max(2 * (1 - probability), 0.0), 1.0)
    return round((float(token_margins(marginals).max()) + gap) / 2, 6)


def span_f1(found: Iterable[Iterable[Span]], truth: Iterable[Iterable[Span]]) -> float:
    """Micro F1 over texts: a span counts when start, end and type are right. 1.0 where there is nothing to find and
    nothing was found.

    >>> span_f1([[Span(0, 4, "city")]], [[Span(0, 4, "city"), Span(5, 8, "day")]])
    0.6666666666666666
    """
    right = total = 0
    for ours, theirs in zip(found, truth, strict=True):
        a, b = set(ours), set(theirs)
        right, total = right + len(a & b), total + len(a) + len(b)
    return 2 * right / total if total else 1.0
