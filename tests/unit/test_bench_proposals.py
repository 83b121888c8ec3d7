"""The bench of proposals on a data set small enough to follow."""

import doctest

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from service.errors import BadInput
from tests.support.encoder import DIMENSIONS
from workers import encoder
from workers.bench import proposals
from workers.bench.commands import bench
from workers.bench.data import Data, Row
from workers.bench.proposals import Judged, judge

INTENTS = [f"theme{place:02}" for place in range(24)]


def encode(texts: list[str]) -> np.ndarray:
    """Each intent an axis of its own, its texts around it."""
    places = [INTENTS.index(text.split()[0]) if text.split()[0] in INTENTS else 30 for text in texts]
    spread = np.random.default_rng(0).normal(scale=0.05, size=(len(texts), DIMENSIONS))
    x = np.eye(DIMENSIONS)[places] + spread
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def rows(n: int, split: str) -> list[Row]:
    return [Row(f"{intent} {split} {place}", intent, split) for intent in INTENTS for place in range(n)]


def test_held_back_intents_that_lie_apart_are_found() -> None:
    log = proposals.encode(Data("small", rows(60, "train"), rows(1, "test")), encode)
    found = proposals.run(log, 0)
    assert found.found >= 8
    assert found.about >= 0.8 * found.proposals


def test_an_intent_is_not_found_twice_nor_in_a_corner() -> None:
    assert judge([[7] * 4, [7] * 4, [8], [9] * 9], {7: 8, 8: 10}) == Judged(found=1, about=3, proposals=4)


def test_half_of_a_proposal_makes_its_theme() -> None:
    assert judge([[7, 7, 1, 2], [7, 7, 1, 1, 1]], {7: 4}) == Judged(found=1, about=1, proposals=2)


def test_out_of_scope_rows_of_every_split_are_in_the_log() -> None:
    outside = [Row("qwx", "oos", split) for split in ("train", "val", "test")]
    log = proposals.encode(
        Data("small", [*rows(1, "train"), outside[0]], [outside[2], *rows(1, "test")], outside[1:2]), encode
    )
    assert (log.y == 0).sum() == 3
    assert len(log.y) == len(INTENTS) + 3


def test_too_few_intents_are_refused() -> None:
    few = [row for row in rows(3, "train") if row.intent in INTENTS[:19]]
    with pytest.raises(BadInput, match="19 intents"):
        proposals.encode(Data("small", few, few), encode)


def test_the_command_prints_json(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def encode(self, texts: list[str]) -> np.ndarray:
            return encode(texts)

    monkeypatch.setattr(encoder, "load", lambda *_: Model())
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in [*rows(40, "train"), *rows(1, "test")]))
    done = CliRunner().invoke(bench, ["proposals", "--data", str(path), "--seeds", "1", "--json", "-"])
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout)
    assert list(found) == ["data", "recall", "found", "of", "proposals", "precision", "seeds"]
    assert (found["data"], found["of"], found["seeds"], found["recall"]) == ("log", 10, 1, found["found"] / 10)


def test_examples() -> None:
    assert doctest.testmod(proposals).failed == 0
