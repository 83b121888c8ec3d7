"""The entity tagger: a linear-chain CRF (CRFsuite) over BIO labels of tokens, fitted on spans.

Features: the word and its neighbours, prefixes and suffixes, shape, the intent, known values and clusters of words
(workers/lexicon.py). The intent is what the classifier predicts; in training, the label's.

Measured on SNIPS, F1 on 2,700 train and val sentences that were held out, after 400 and 1,000 random ones: word forms
alone .75 and .83; with values .78 and .86, with clusters by neighbours .78 and .85, with the intent .79 and .86, with
these clusters and the intent .81 and .87. Clusters by the encoder add .02 at 400, .014 at 800 and .010 at 2,000. Tried
and left out, after 600 to 800: values found in the log by a first tagger (-.004), its sure sentences as further
training (0), not showing every third sentence its values, so that unseen ones weigh less (-.004), three sizes of
clusters (0); clusters of sentences instead of the intent gain .01 where it gains .03.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pycrfsuite
import safetensors.numpy
from safetensors import SafetensorError

from service.learning.tagging import OUTSIDE, Span, Token, boundary_ambiguity, to_labels, to_spans, tokenize
from service.learning.types import Floats1d
from workers import lexicon
from workers.lexicon import Clusters, Lexicon

ITERATIONS = 40
L1, L2 = 0.1, 0.01  # weights of the penalties
AFFIXES = (1, 2, 3, 4)  # letters


class Prepared(NamedTuple):
    """A text as the CRF sees it, but for what changes from fit to fit: known values, and the intent."""

    tokens: list[Token]
    words: list[str]
    features: list[list[str]]  # of each token


class Labelled(NamedTuple):
    """`intent` is any name of the text's intent that stays the same, "" where there is none."""

    text: Prepared
    spans: tuple[Span, ...]
    intent: str = ""


class Tagged(NamedTuple):
    """The likeliest labelling of a text, and how sure the tagger is of it."""

    spans: list[Span]
    confidence: Floats1d  # (t,) probability of each token's label
    probability: float  # of the whole labelling


NO_TOKENS = Tagged([], np.zeros(0), 1.0)


def prepare(text: str, clusters: Clusters) -> Prepared:
    tokens = tokenize(text)
    words = [text[start:end].lower() for start, end in tokens]
    features = zip(_forms(text, tokens, words), lexicon.likes(words, clusters), strict=True)
    # Interned, for a log of texts uses the same features over and over.
    return Prepared(tokens, words, [[sys.intern(one) for one in (*forms, *likes)] for forms, likes in features])


def _forms(text: str, tokens: Sequence[Token], words: Sequence[str]) -> list[list[str]]:
    """Features of each token that its text alone gives."""
    padded = ["<<", "<", *words, ">", ">>"]
    shapes = ["<", *(shape(text[start:end]) for start, end in tokens), ">"]
    return [
        [*_window(padded[i : i + 5]), *_affixes(word), *_shapes(shapes[i : i + 3]), *_far(words, i)]
        for i, word in enumerate(words)
    ]


def _window(around: Sequence[str]) -> list[str]:
    before2, before, word, after, after2 = around
    single = ["b", f"w={word}", f"-1={before}", f"+1={after}", f"-2={before2}", f"+2={after2}"]
    own = [f"-1w={before}|{word}", f"w+1={word}|{after}"]
    return [*single, *own, f"-2-1={before2}|{before}", f"+1+2={after}|{after2}"]


def _affixes(word: str) -> list[str]:
    return [one for n in AFFIXES if len(word) > n for one in (f"<{n}={word[:n]}", f">{n}={word[-n:]}")]


def _shapes(around: Sequence[str]) -> list[str]:
    before, own, after = around
    return [f"s={own}", f"s-1={before}", f"s+1={after}"]


def _far(words: Sequence[str], i: int) -> list[str]:
    """Words three and four away on either side, and how near the beginning the token stands."""
    before = [f"<={word}" for word in words[max(i - 4, 0) : max(i - 2, 0)]]
    return [*before, *(f">={word}" for word in words[i + 3 : i + 5]), f"p={min(i, 4)}"]


def shape(word: str) -> str:
    """Capitals, small letters and digits as X, x and d, the rest as it is; runs are cut to two.

    >>> shape("McDonald's"), shape("2026")
    ("XxXxx'x", 'dd')
    """
    found = ""
    for char in word:
        kind = "d" if char.isdigit() else char if not char.isalpha() else "X" if char.isupper() else "x"
        if found[-2:] != 2 * kind:
            found += kind
    return found


def _items(text: Prepared, intent: str, values: Sequence[list[str]]) -> Any:
    said = [f"i={intent}"] if intent else []
    return pycrfsuite.ItemSequence([own + found + said for own, found in zip(text.features, values, strict=True)])


def fit(labelled: Sequence[Labelled], clusters: Clusters) -> bytes | None:
    """A model for `Tagger`; None where no span covers a token. `clusters` are those the texts were prepared with."""
    labels = [to_labels(one.text.tokens, one.spans) for one in labelled]
    if all(label == OUTSIDE for of_text in labels for label in of_text):
        return None
    own = [lexicon.shown(one.text.tokens, one.text.words, one.spans) for one in labelled]
    seen = lexicon.total(own)
    known = lexicon.build(seen, clusters)
    values = (lexicon.values(one.text.words, known, seen=seen, own=of) for one, of in zip(labelled, own, strict=True))
    items = [_items(one.text, one.intent, found) for one, found in zip(labelled, values, strict=True)]
    return _pack(_train(items, labels), known)


def _train(items: Sequence[Any], labels: Sequence[list[str]]) -> bytes:
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params({"c1": L1, "c2": L2, "max_iterations": ITERATIONS, "feature.possible_transitions": True})
    for of_text, truth in zip(items, labels, strict=True):
        if truth:
            trainer.append(of_text, truth)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crf"
        trainer.train(str(path))
        return path.read_bytes()


def _pack(crf: bytes, known: Lexicon) -> bytes:
    parts = {"crf": crf, "lexicon": msgspec.json.encode(known)}
    return safetensors.numpy.save({name: np.frombuffer(part, np.uint8) for name, part in parts.items()})


class Tagger:
    """A model in memory. Used from one thread at a time."""

    def __init__(self, model: bytes) -> None:
        """ValueError when the bytes are no model."""
        try:
            parts = {name: part.tobytes() for name, part in safetensors.numpy.load(model).items()}
            self._lexicon = msgspec.json.decode(parts["lexicon"], type=Lexicon)
            self._model = parts["crf"]  # the CRF reads from it as long as it lives
        except (SafetensorError, KeyError, msgspec.DecodeError) as error:
            raise ValueError(f"not a tagger's model: {error}") from error
        self._crf = pycrfsuite.Tagger()
        self._crf.open_inmemory(self._model)
        self._labels: list[str] = self._crf.labels()
        self.types = frozenset(label[2:] for label in self._labels if label != OUTSIDE)

    def prepare(self, text: str) -> Prepared:
        return prepare(text, self._lexicon.clusters)

    def tag(self, text: Prepared, intent: str = "") -> Tagged:
        if not text.tokens:
            return NO_TOKENS
        labels: list[str] = self._crf.tag(_items(text, intent, lexicon.values(text.words, self._lexicon)))
        confidence = np.array([self._crf.marginal(label, i) for i, label in enumerate(labels)])
        return Tagged(to_spans(text.tokens, labels), confidence, self._crf.probability(labels))

    def assess(self, text: Prepared, intent: str = "") -> tuple[Tagged, float]:
        """With the text's boundary ambiguity."""
        tagged = self.tag(text, intent)
        if not text.tokens:
            return tagged, 0.0
        rows = range(len(text.tokens))
        marginals = np.array([[self._crf.marginal(label, i) for label in self._labels] for i in rows])
        return tagged, boundary_ambiguity(tagged.probability, marginals)
