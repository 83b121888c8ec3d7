"""The tagger learns, is the same each time, and stumbles over nothing it is given."""

import doctest
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.learning.tagging import Span
from service.learning.types import Floats2d
from workers import lexicon, tagger
from workers.tagger import Labelled, Tagger, fit, prepare

CITIES = "Rome,New York,Paris,Oslo,Rio de Janeiro,Bonn,Cairo,Lima,San Jose,Kyoto,Perth,Turin,Cape Town,Nice,Bern,Graz"
FORMS = ["fly to {} please", "a flight to {} tomorrow", "book me to {} tomorrow please", "{} by train"]


def labelled(text: str, *values: str, kind: str = "city", intent: str = "") -> Labelled:
    spans = tuple(Span(text.index(value), text.index(value) + len(value), kind) for value in values)
    return Labelled(prepare(text, {}), spans, intent)


def opened(examples: Sequence[Labelled]) -> Tagger:
    model = fit(examples, {})
    assert model
    return Tagger(model)


def grammar() -> list[Labelled]:
    cities = CITIES.split(",")
    return [labelled(FORMS[i % len(FORMS)].format(city), city) for i, city in enumerate(cities)]


@pytest.fixture(scope="module")
def trained() -> Tagger:
    return opened(grammar())


def spans_of(trained: Tagger, text: str) -> list[tuple[str, str]]:
    return [(text[start:end], kind) for start, end, kind in trained.tag(trained.prepare(text)).spans]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fly to Vienna please", ["Vienna"]),
        ("a flight to Los Angeles tomorrow", ["Los Angeles"]),
        ("book me to Łódź tomorrow please", ["Łódź"]),
        ("thank you please", []),
    ],
)
def test_a_toy_grammar_is_learnt(trained: Tagger, text: str, found: list[str]) -> None:
    assert spans_of(trained, text) == [(value, "city") for value in found]


@pytest.mark.parametrize("text", ["", "   \n", "🛫", "\u0301\u200d", "東京へ行く", "x" * 4000, "a\x00b", "?!?"])
def test_any_text_is_tagged(trained: Tagger, text: str) -> None:
    tagged, ambiguity = trained.assess(trained.prepare(text))
    assert 0 <= ambiguity <= 1
    assert 0 <= tagged.probability <= 1 + 1e-9
    assert all(0 <= start < end <= len(text) for start, end, _ in tagged.spans)


@settings(max_examples=50)
@given(st.text(max_size=60))
def test_offsets_always_hold(trained: Tagger, text: str) -> None:
    prepared = trained.prepare(text)
    tagged = trained.tag(prepared)
    assert len(tagged.confidence) == len(prepared.tokens)
    assert all(text[start:end].strip() == text[start:end] != "" for start, end, _ in tagged.spans)


def test_no_text_has_nothing_to_be_ambiguous(trained: Tagger) -> None:
    tagged, ambiguity = trained.assess(trained.prepare(" "))
    assert (tagged.spans, tagged.probability, ambiguity) == ([], 1.0, 0.0)


def test_what_was_never_seen_is_more_ambiguous(trained: Tagger) -> None:
    known, strange = (
        trained.assess(trained.prepare(text))[1] for text in ("fly to Rome please", "Wien or to the fly ?")
    )
    assert known < 0.2 < strange


def test_the_same_sentences_give_the_same_bytes() -> None:
    assert fit(grammar(), {}) == fit(grammar(), {})


@pytest.mark.parametrize(
    "examples",
    [
        [],
        [labelled("hello there")],
        [labelled("")],
        [Labelled(prepare("to Rome", {}), (Span(2, 3, "blank"),))],
        [Labelled(prepare("to Rome", {}), (Span(40, 50, "outside"),))],
    ],
)
def test_without_a_span_there_is_no_tagger(examples: list[Labelled]) -> None:
    assert fit(examples, {}) is None


def test_one_sentence_is_enough() -> None:
    one = opened([labelled("Rome", "Rome")])
    assert spans_of(one, "Rome") == [("Rome", "city")]
    assert one.assess(one.prepare("Rome"))[1] == 0.0  # only one label is known


def test_contradictory_labels_are_ambiguous() -> None:
    twice = [labelled("fly to Rome", "Rome", kind=kind) for kind in ("city", "team")] * 5
    _, ambiguity = (torn := opened(twice)).assess(torn.prepare("fly to Rome"))
    assert ambiguity > 0.9


def test_the_intent_decides_between_types() -> None:
    examples = [
        labelled(f"find {name}", name, kind=kind, intent=intent)
        for i, name in enumerate(CITIES.split(","))
        for kind, intent in [(("book", "1"), ("song", "2"))[i % 2]]
    ]
    trained = opened(examples)
    text = trained.prepare("find Vienna")
    assert [[span.type for span in trained.tag(text, intent).spans] for intent in ("1", "2")] == [["book"], ["song"]]


def test_odd_spans_are_taken_as_they_can_be() -> None:
    text = "fly to Romenow please"
    overlapping = (Span(7, 11, "city"), Span(4, 14, "phrase"), Span(7, 14, "city"))
    trained = opened([Labelled(prepare(text, {}), overlapping)])
    assert spans_of(trained, text) == [("to Romenow", "phrase")]


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x02\x00\x00\x00\x00\x00\x00\x00{}"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a tagger's model"):
        Tagger(data)


def test_a_sentence_does_not_see_what_it_alone_has_shown() -> None:
    rome, york = grammar()[:2]
    shows = [lexicon.shown(one.text.tokens, one.text.words, one.spans) for one in (rome, rome, york)]
    seen = lexicon.total(shows)
    known = lexicon.build(seen, {})
    words = ["new", "york", "rome"]
    assert lexicon.values(words, known) == [["gw=city", "gB=city"], ["gw=city", "gI=city"], ["gw=city", "gB=city"]]
    assert lexicon.values(words, known, seen=seen, own=shows[2]) == [[], [], ["gw=city", "gB=city"]]


def by_letters(words: list[str]) -> Floats2d:
    """A made-up encoder: digits are one thing, letters another."""
    return np.array([[1.0, 0.0] if word.isdigit() else [0.6, 0.8] for word in words])


def test_words_used_alike_fall_into_one_cluster() -> None:
    log = [f"fly to city{i} now" for i in range(60)] + [f"pay {i} euros today" for i in range(60)]
    clusters = lexicon.cluster(log * 2, by_letters, seed=0)
    assert clusters["city3"] == clusters["city50"]
    assert clusters["city3"] != clusters["30"]
    assert clusters["fly"][:2] == clusters["city3"][:2]  # meant alike, but
    assert clusters["fly"][2:] != clusters["city3"][2:]  # used otherwise
    assert lexicon.cluster(log * 2, by_letters, seed=0) == clusters


@pytest.mark.parametrize("log", [[], ["hi"] * 1000, ["", " "], ["a b c d"] * 5])
def test_a_log_of_few_words_has_no_clusters(log: list[str]) -> None:
    assert lexicon.cluster(log, by_letters, seed=0) == {}


def test_examples() -> None:
    assert doctest.testmod(tagger).failed == 0
