"""The bench of labelling functions on a data set small enough to follow."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from service.errors import BadInput
from service.weak.schemas import Keywords, Regex
from tests.support.encoder import FakeEncoder
from workers import encoder
from workers.bench import weak
from workers.bench.commands import bench
from workers.bench.turns import Task, Turns

INTENTS = [f"intent{place}" for place in range(16)]


def turns(n: int, split: str, intents: list[str]) -> Turns:
    """Each text has two words of its intent's own and two that anybody says."""
    texts = [f"{name}a {name}b the {split}{place % 5}" for place in range(n) for name in intents]
    y = np.tile(np.arange(1, len(intents) + 1), n)
    return Turns(texts, FakeEncoder().encode("", texts), y, np.arange(len(texts)))


def task(intents: list[str] = INTENTS) -> Task:
    names = FakeEncoder().encode("", intents)
    return Task("small", "fake", Path(), intents, names, turns(30, "train", intents), turns(5, "test", intents))


@pytest.fixture(autouse=True)
def typical(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weak, "TYPICAL", 8.0)  # of 16 intents none can be said 40 times more often


def test_four_of_ten_functions_are_wrong_and_the_others_are_right() -> None:
    made = weak.make(task(), np.random.default_rng(0))
    found = weak.run(task(), [0], 0, lambda _: None)
    assert [type(one) for one in made] == [Keywords, Regex] * 5
    truth = [one["truth"] for one in found.functions]
    assert truth[4:] == [1.0] * 6
    assert all(0.4 <= share <= 0.7 for share in truth[:4])  # type: ignore[operator]  # every function votes here


def test_the_same_seed_makes_the_same_functions() -> None:
    one, two, other = (weak.make(task(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == two
    assert one != other


def test_too_few_intents_are_said_so() -> None:
    with pytest.raises(BadInput, match="13 intents"):
        weak.make(task(INTENTS[:13]), np.random.default_rng(0))


def test_curves_are_of_the_same_labels_with_and_without() -> None:
    found = weak.measure(task(), [0, 20], 2, lambda _: None)
    taught, alone = found["with"], found["without"]
    assert [point["labels"] for point in taught] == [point["labels"] for point in alone] == [0, 20]
    assert [point["used"] for point in alone] == [0, 0]
    assert taught[0]["used"] > 0
    assert {"name", "coverage", "conflict", "accuracy", "labels", "truth"} == set(found["functions"][0])
    sizes = next(iter(weak.table(found).columns))
    assert list(sizes.cells) == ["0", "20"]


def test_the_command_writes_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        identity = "fake"

        def encode(self, texts: list[str]) -> np.ndarray:
            return FakeEncoder().encode("", texts)

    monkeypatch.setattr(encoder, "load", lambda *_: Model())
    monkeypatch.setattr(encoder, "identified", lambda _: (tmp_path, "fake"))
    monkeypatch.setattr(weak, "SIZES", (0, 100_000))  # more labels than there are are left out
    rows = [
        {"text": text, "intent": INTENTS[place % 16], "split": split}
        for split, n in (("train", 30), ("test", 5))
        for place, text in enumerate(turns(n, split, INTENTS).texts)
    ]
    file = tmp_path / "small.jsonl"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    ran = CliRunner().invoke(bench, ["weak", "--data", str(file), "--seeds", "1", "--json", "-"])
    assert ran.exit_code == 0, ran.output
    found = msgspec.json.decode(ran.stdout.splitlines()[-1])
    assert (found["data"], found["seeds"], len(found["functions"])) == ("small", 1, 10)
    assert [point["labels"] for point in found["with"]] == [0]
