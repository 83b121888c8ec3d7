"""What a tagger knows of words beyond their form: entity values seen in training, and which words are alike. Both are
features of tokens, never rules.

In training a sentence does not see what it alone has shown, else a tagger would learn to trust values blindly. Words of
the log are clustered twice, at two sizes each: by what the encoder makes of the word alone, and, those seen more than
once, by the words beside them (k-means on singular vectors of their positive pointwise mutual information).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.utils.extmath import randomized_svd

from service.learning.tagging import Span, Token, tokenize
from service.learning.types import Floats2d, Ints1d

Pairs = Counter[tuple[str, str]]
Clusters = Mapping[str, tuple[str, ...]]  # of a lower-case word
Encode = Callable[[list[str]], Floats2d]  # (n, d) unit rows

LONGEST = 8  # words of a value that is looked up
SIZES = (50, 300)  # clusters, coarse and fine
MOST = 20_000  # words that are clustered
SEEN_FROM = 2  # times a word must be used to be clustered by its neighbours
FEWEST = 2 * SIZES[0]  # such words, below which nothing is clustered
DIMENSIONS = 50
EDGE = "<>"  # beside the first word and the last
SIDES = ("-1", "", "+1")


class Lexicon(msgspec.Struct, frozen=True):
    """Of lower-case words; a value is its words with one blank between."""

    values: dict[str, tuple[str, ...]] = {}  # types it was seen with
    words: dict[str, tuple[str, ...]] = {}  # the same of each word of a value
    clusters: dict[str, tuple[str, ...]] = {}


class Shown(NamedTuple):
    """(value, type) and (word, type), and in how many sentences."""

    values: Pairs
    words: Pairs


NOTHING = Shown(Counter(), Counter())


def words_of(text: str) -> list[str]:
    return [text[start:end].lower() for start, end in tokenize(text)]


def shown(tokens: Sequence[Token], words: Sequence[str], spans: Iterable[Span]) -> Shown:
    """What one sentence shows, each pair once."""
    values: set[tuple[str, str]] = set()
    parts: set[tuple[str, str]] = set()
    for start, end, kind in spans:
        inside = [word for token, word in zip(tokens, words, strict=True) if token.start < end and token.end > start]
        values.add((" ".join(inside), kind))
        parts |= {(word, kind) for word in inside}
    return Shown(Counter(values - {("", kind) for _, kind in values}), Counter(parts))


def total(of_sentences: Iterable[Shown]) -> Shown:
    found = Shown(Counter(), Counter())
    for values, words in of_sentences:
        found.values.update(values)
        found.words.update(words)
    return found


def build(seen: Shown, clusters: Clusters) -> Lexicon:
    return Lexicon(_types(seen.values), _types(seen.words), dict(clusters))


def _types(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    types: dict[str, tuple[str, ...]] = {}
    for key, kind in sorted(pairs):
        types[key] = (*types.get(key, ()), kind)
    return types


def likes(words: Sequence[str], clusters: Clusters) -> list[list[str]]:
    """Features of each word: the clusters of the words before it, itself and after it."""
    padded = [clusters.get(word, ()) for word in (EDGE, *words, EDGE)]
    return [
        [f"{side}{name}" for side, of in zip(SIDES, padded[i : i + 3], strict=True) for name in of]
        for i in range(len(words))
    ]


def values(words: Sequence[str], known: Lexicon, *, seen: Shown = NOTHING, own: Shown = NOTHING) -> list[list[str]]:
    """Features of each word: types of which it, and the longest known value that it is in, were seen. `seen` is what
    all of training has shown, `own` what this sentence has: what no other sentence has shown is left out."""
    found = [[f"gw={kind}" for kind in _others(known.words, word, seen.words, own.words)] for word in words]
    for i, word in enumerate(words):
        if word not in known.words:  # no value begins with it
            continue
        for place, kind in _longest(words, i, known.values, seen.values, own.values):
            found[place].append(f"g{'I' if place > i else 'B'}={kind}")
    return found


def _others(known: Mapping[str, tuple[str, ...]], key: str, seen: Pairs, own: Pairs) -> list[str]:
    return [kind for kind in known.get(key, ()) if (key, kind) not in own or seen[key, kind] > own[key, kind]]


def _longest(
    words: Sequence[str], start: int, known: Mapping[str, tuple[str, ...]], seen: Pairs, own: Pairs
) -> Iterator[tuple[int, str]]:
    """(place, type) of the words of the longest known value that begins there."""
    for length in range(min(LONGEST, len(words) - start), 0, -1):
        kinds = _others(known, " ".join(words[start : start + length]), seen, own)
        if kinds:
            yield from ((start + i, kind) for i in range(length) for kind in kinds)
            return


def cluster(log: Iterable[str], encode: Encode, *, seed: int) -> dict[str, tuple[str, ...]]:
    """The clusters of each word of the log; none when there are too few words."""
    texts = [words_of(text) for text in log]
    counts = Counter(word for words in texts for word in words)
    most = sorted(word for word, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST])
    often = [word for word in most if counts[word] >= SEEN_FROM]
    if len(often) < FEWEST:
        return {}
    used = _embedded(_beside(texts, {word: row for row, word in enumerate(often)}), seed)
    means = encode(most)
    clusters = dict(zip(most, _names("m", _centred(means), seed), strict=True))
    for word, names in zip(often, _names("u", used, seed), strict=True):
        clusters[word] += names
    return clusters


def _centred(x: Floats2d) -> Floats2d:
    return _unit(x - x.mean(axis=0))


def _unit(x: Floats2d) -> Floats2d:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))


def _names(kind: str, x: Floats2d, seed: int) -> list[tuple[str, ...]]:
    """Of each row its cluster at every size."""
    # Equal rows must not be told apart by what rounding left of them.
    columns = [_partition(np.round(x, 6), size, seed) for size in SIZES]
    return [tuple(f"{kind}{size}={c}" for size, c in enumerate(row)) for row in np.column_stack(columns).tolist()]


def _partition(x: Floats2d, k: int, seed: int) -> Ints1d:
    k = min(k, len(np.unique(x, axis=0)))  # no cluster stays empty
    return np.asarray(KMeans(k, n_init=1, max_iter=30, random_state=seed).fit_predict(x))


def _beside(texts: Iterable[Sequence[str]], rows: Mapping[str, int]) -> sp.coo_matrix:
    """How often each word stands after, and before, each other: (n, 2·m)."""
    columns: dict[tuple[int, str], int] = {}
    pairs: Counter[tuple[int, int]] = Counter()
    for words in texts:
        padded = [EDGE, *words, EDGE]
        for i, word in enumerate(words):
            if word in rows:
                for side in (0, 2):
                    column = columns.setdefault((side, padded[i + side]), len(columns))
                    pairs[rows[word], column] += 1
    row, column = np.array(list(pairs)).T
    return sp.coo_matrix((np.array(list(pairs.values()), float), (row, column)), shape=(len(rows), len(columns)))


def _embedded(counts: sp.coo_matrix, seed: int) -> Floats2d:
    """(n, d) unit rows; words used alike lie close together."""
    rows, columns = counts.row, counts.col
    of_row, of_column = np.asarray(counts.sum(axis=1)).ravel(), np.asarray(counts.sum(axis=0)).ravel()
    information = np.log(counts.data * counts.data.sum() / (of_row[rows] * of_column[columns]))
    positive = information > 0
    matrix = sp.csr_matrix((information[positive], (rows[positive], columns[positive])), shape=counts.shape)
    left, values, _ = randomized_svd(matrix, min(DIMENSIONS, *matrix.shape), random_state=seed)
    return _unit(left * np.sqrt(values))
