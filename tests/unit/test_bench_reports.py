"""The bench of reports on a data set small enough to follow."""

import math

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from service.errors import BadInput
from tests.support.encoder import FakeEncoder
from workers import encoder
from workers.bench import reports
from workers.bench.commands import bench
from workers.bench.data import Data, Row
from workers.bench.reports import Scale, World

INTENTS = ("refund the order", "track the parcel", "cancel the trip", "book a table")
SMALL = Scale(turns=400, unseen=100, budget=20)


def rows(n: int, split: str) -> list[Row]:
    return [Row(f"{intent} {split} {place}", intent, split) for intent in INTENTS for place in range(n)]


def encode(texts: list[str]) -> np.ndarray:
    return FakeEncoder().encode("", texts)


@pytest.fixture(scope="module")
def world() -> World:
    data = Data("small", [*rows(40, "train"), Row("qwx", "oos", "train")], rows(10, "test"))
    return reports.make_world(reports.encode_data(data, encode), SMALL, 0)


def test_frequent_texts_follow_zipf_in_the_log_and_after(world: World) -> None:
    most = np.sort(world.said_by)[::-1][:3] / 400
    shares = 1 / np.arange(1, 161)  # 200 texts, 40 of them taught
    assert most == pytest.approx(shares[:3] / shares.sum(), abs=0.05)
    after = (world.unseen.x == world.log.x[world.said_by.argmax()]).all(axis=1).mean()
    assert after == pytest.approx(most[0], abs=0.1)


def test_the_log_holds_none_of_the_old_bots_examples(world: World) -> None:
    assert len(world.examples.y) == 40
    assert not (world.log.x[:, None] == world.examples.x[None]).all(axis=2).any()
    assert world.said_by.sum() == 400


def test_the_liar_lies_about_one_intent_only(world: World) -> None:
    said = world.turns[world.lies.turns]
    assert (world.answered[said] == world.log.y[said]).all()
    assert len(set(world.log.y[said].tolist())) <= 1
    assert len(world.lies.turns) == len(world.honest.turns)
    assert set(world.lies.persons.tolist()).isdisjoint(world.honest.persons.tolist())


def test_the_64_nearest_turns_are_seen_and_no_more(world: World) -> None:
    around = reports.look(world)
    assert around.texts[:, 0].tolist() == list(range(len(world.said_by)))
    assert (around.turns.sum(axis=1) == reports.NEAREST + 1).all()


def test_every_arm_asks_about_that_many_texts(world: World) -> None:
    proba = reports.train(world, np.zeros(0, np.int64), "plain", None).proba(world.log.x)
    errors = int((world.answered != world.log.y).sum())
    for name, strategy in reports.STRATEGIES.items():
        evidence = reports.believed(world, strategy.reports(world))
        rng = np.random.default_rng(0)
        picks = strategy.pick(reports.Case(world, reports.look(world), evidence, proba, 20, rng))
        assert len(picks) == (min(20, errors) if name == "errors_known" else 20)
        assert name == "margin_of_turns" or len(set(picks.tolist())) == len(picks)


@pytest.mark.parametrize("head", ["plain", "full"])
def test_the_command_prints_finite_numbers(tmp_path, monkeypatch, head) -> None:
    path = tmp_path / "small.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in [*rows(40, "train"), *rows(10, "test")]))
    monkeypatch.setattr(reports, "Scale", lambda: SMALL)
    model = type("Model", (), {"encode": staticmethod(encode)})
    monkeypatch.setattr(encoder, "load", lambda *_: model)
    out = CliRunner().invoke(
        bench, ["reports", "--data", str(path), "--seeds", "1", "--head", head, "--json", str(tmp_path / "out")]
    )
    assert out.exit_code == 0, out.output
    found = msgspec.json.decode((tmp_path / "out").read_bytes())
    numbers = ["default", "default_without_reports", "margin", "margin_of_turns", "random", "errors_known", "liar_cost"]
    assert list(found) == ["data", "head", "seeds", *numbers, "broken"]
    assert all(math.isfinite(found[name]) for name in numbers)
    assert (found["data"], found["head"]) == ("small", head)


def test_one_intent_is_refused() -> None:
    with pytest.raises(BadInput, match="fewer than two intents"):
        reports.encode_data(Data("one", rows(3, "train")[:3], rows(3, "test")[:3]), encode)
