"""The entity bench on a small made-up language."""

import io
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from rich.console import Console

from service.errors import BadInput
from service.learning.types import Floats2d
from tests.support.encoder import FakeEncoder
from workers.bench import entities
from workers.bench.data import Data, Row, Span
from workers.bench.entities import Plan, Point, Result, measure, table, to_match
from workers.progress import Progress

PLAN = Plan(start=10, batch=10, budget=30)


class Encoder:
    identity = "fake"

    def encode(self, texts: Sequence[str]) -> Floats2d:
        return FakeEncoder().encode("", texts)


def row(i: int) -> Row:
    value, kind, intent = (f"city{i % 23}", "city", "fly") if i % 2 else (f"{i % 19} euros", "amount", "pay")
    text = f"{intent} {value} now please {i % 7}"
    return Row(text, intent, entities=(Span(4, 4 + len(value), kind),))


DATA = Data("made-up", [row(i) for i in range(60)], [row(i) for i in range(60, 90)])


def measured(data: Data, seeds: int = 1) -> Result:
    progress = Progress(Console(file=io.StringIO()))
    return measure(data, Encoder(), PLAN, seeds=seeds, progress=progress)


def test_the_result_has_what_the_table_needs() -> None:
    found = measured(DATA)
    assert list(found.strategies) == ["random", "sequence_confidence", "default"]
    assert [point.sentences for point in found.strategies["default"].curve] == [10, 20, 30]
    assert len({one.curve[0] for one in found.strategies.values()}) == 1  # all begin with the same sentences
    assert found.random_f1 == found.strategies["random"].curve[-1].f1
    assert found.full_f1 > 0.9
    assert {"data", "random_f1", "sentences_to_match", "full_f1", "strategies"} <= set(msgspec.to_builtins(found))
    assert table(found).row_count == 4


@pytest.mark.parametrize(
    ("curve", "target", "expected"),
    [
        ([0.5, 0.7, 0.9], 0.8, 500.0),
        ([0.5, 0.7, 0.9], 0.9, 600.0),
        ([0.5, 0.7, 0.9], 0.4, 200.0),
        ([0.5, 0.7, 0.9], 0.95, None),
        ([0.9, 0.7, 0.9], 0.8, 500.0),  # it has to stay there
        ([0.5, 0.9, 0.7], 0.8, None),
    ],
)
def test_sentences_to_match(curve: list[float], target: float, expected: float | None) -> None:
    points = [Point(200 * (i + 1), f1, 0.0) for i, f1 in enumerate(curve)]
    assert to_match(points, target) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (Data("few", DATA.train[:10], DATA.test), "few has 10 sentences"),
        (Data("bare", [Row("hello", "greet")] * 60, DATA.test), "bare has no entities"),
        (Data("bare", DATA.train, [Row("hello", "greet")]), "bare has no entities"),
    ],
)
def test_data_that_cannot_be_measured_on_is_named(data: Data, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        measured(data)


def test_one_intent_and_repeated_sentences_are_measured_too() -> None:
    data = Data("same", [Row("to Rome", "fly", entities=(Span(3, 7, "city"),))] * 60, DATA.test[:2])
    assert measured(data).strategies["default"].curve[-1].sentences == 30


def test_sentences_without_entities_at_first_are_borne() -> None:
    train = [*[Row(f"hello {i}", "greet") for i in range(55)], *DATA.train[:5]]
    assert 0.0 <= measured(Data("rare", train, DATA.test)).random_f1 <= 1.0


def test_each_strategy_picks_different_rows() -> None:
    texts = [entities.tagger.prepare(one.text, {}) for one in DATA.train]
    asked = entities.Asked(texts, [entities._nothing(text) for text in texts])
    for strategy in entities.STRATEGIES.values():
        picked = strategy(asked, 7, np.random.default_rng(0)).tolist()
        assert len(set(picked)) == 7
