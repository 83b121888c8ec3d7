"""What the measurement of labels makes of a file, and how it reads its curves."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from service.cli import cli
from service.errors import BadInput
from service.learning.head import NONE
from workers.bench import production
from workers.bench.curves import area, labels_to_match
from workers.bench.data import Data, Row, read
from workers.bench.learners import View
from workers.bench.turns import Task, Turns

SAID = {"refund": "i want my money back", "cancel": "stop the order", "track": "where is my parcel"}
MORE = ["now", "today", "please", "again", "sofa", "lamp", "chair", "soon", "quick", "desk"]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def test_area_is_the_mean_height_over_the_label_range() -> None:
    assert area([(0, 0.5), (100, 0.7), (300, 0.7)]) == pytest.approx((0.6 * 100 + 0.7 * 200) / 300)
    assert area([(50, 0.4)]) == 0.4


@pytest.mark.parametrize(
    ("curve", "wanted", "expected"),
    [
        ([(0, 0.5), (100, 0.9)], 0.7, 50.0),
        ([(0, 0.5), (100, 0.9), (200, 0.7), (300, 0.9)], 0.8, 250.0),  # it has to stay there
        ([(0, 0.5), (100, 0.6)], 0.7, None),
        ([(0, 0.9), (100, 0.6)], 0.7, None),
        ([(150, 0.9), (250, 0.95)], 0.7, 150.0),
    ],
)
def test_labels_to_match_is_where_the_curve_gets_there_to_stay(
    curve: list[tuple[int, float]], wanted: float, expected: float | None
) -> None:
    assert labels_to_match(curve, wanted) == (None if expected is None else pytest.approx(expected))


def test_rows_without_splits_test_every_fifth(tmp_path: Path) -> None:
    data = read(write(tmp_path / "log.jsonl", [{"text": f"t{i}", "intent": "a"} for i in range(10)]))
    assert [row.text for row in data.test] == ["t0", "t5"]
    assert [row.place for row in data.train] == [1, 2, 3, 4, 6, 7, 8, 9]


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", [{"text": "hi", "intent": "a"}, {"text": "no intent"}])
    with pytest.raises(BadInput) as caught:
        read(path)
    assert caught.value.path == "log.jsonl:2"


def test_a_file_without_rows_to_test_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none to test on"):
        read(write(tmp_path / "log.jsonl", [{"text": "hi", "intent": "a", "split": "train"}]))


def outside(split: str, n: int) -> list[Row]:
    return [Row(f"{split} {i}", "oos", split) for i in range(n)]


def test_production_keeps_what_it_tests_on_out_of_the_pool() -> None:
    inside = [Row(f"t{i}", "a", "train") for i in range(5)]
    data = production.divide(Data("d", [*inside, *outside("train", 300)], outside("test", 900)))
    pool, unseen = ({row.text for row in rows if row.is_out_of_scope} for rows in (data.train, data.test))
    assert (len(pool), len(unseen), len(pool & unseen)) == (700, 500, 0)


def test_production_wants_rows_that_are_out_of_scope() -> None:
    with pytest.raises(BadInput, match="900 out-of-scope rows"):
        production.divide(Data("d", outside("train", 300), outside("test", 600)))


def task(y: list[int]) -> Task:
    turns = Turns([f"t{i}" for i in range(len(y))], np.eye(len(y)), np.array(y), np.arange(len(y)))
    return Task("d", "e", Path(), ["a", "b"], np.eye(2), turns, turns)


def test_intents_are_long_tailed_and_everything_out_of_scope_stays() -> None:
    drawn = production.long_tailed(task([1] * 120 + [2] * 120 + [NONE] * 7), seed=0).pool.y
    assert np.bincount(drawn).tolist() == [7, 97, 97]
    assert production.sizes(150)[[0, 9, 149]].tolist() == [97, 34, 4]


def test_macro_recall_is_taken_where_three_in_four_out_of_scope_turns_are_held_back() -> None:
    of = task([1, 1, 2, NONE, NONE, NONE, NONE])
    far = np.array([0.1, 0.6, 0.2, 0.3, 0.5, 0.7, 0.9])
    proba = np.array([[1, 0], [1, 0], [0, 1], *[[1, 0]] * 4])
    view = View(of, lambda x: proba, lambda x: proba.argmax(axis=1) + 1, lambda x: far, lambda x: far)
    scored = production.score(view)
    assert scored.scores == {"macro_recall": 0.75, "oos_recall": 0.75}
    assert scored.predictions.tolist() == [1, NONE, 2, 1, NONE, NONE, NONE]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    from tests.support.tiny import save_tiny

    (tmp_path / "tiny").mkdir()
    return save_tiny(tmp_path / "tiny", " ".join([*SAID.values(), *SAID, *MORE]).split())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = [{"text": f"{text} {more}", "intent": intent} for more in MORE for intent, text in SAID.items()]
    return write(tmp_path / "log.jsonl", [*rows, *({"text": more, "intent": "oos"} for more in MORE)])


@pytest.mark.model
@pytest.mark.parametrize("head", ["plain", "full"])
def test_the_command_writes_curves_picks_and_a_page(head: str, tiny: Path, log: Path, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("json", "picks", "html")}
    options = ["--head", head, "--seeds", "2", "--budget", "12", "--batch", "5", "--encoder", str(tiny)]
    outputs = [part for name, path in files.items() for part in (f"--{name}", path)]
    ran = CliRunner().invoke(cli, ["bench", "labels", "--data", str(log), *options, *outputs], obj=object())
    assert ran.exit_code == 0, ran.output
    found = json.loads(Path(files["json"]).read_text("utf-8"))
    assert (found["data"], found["scenario"], found["head"]) == ("log", "pool", head)
    assert found["random_reference"]["labels"] == 16  # two thirds of 24 in-scope rows to learn from
    assert [point["labels"] for point in found["strategies"]["default"]["curve"]] == [0, 5, 10, 12]
    assert set(found["strategies"]) == {"default", "random"}
    meaning, *rounds = map(json.loads, Path(files["picks"]).read_text("utf-8").splitlines())
    intents = [json.loads(line)["intent"] for line in log.read_text("utf-8").splitlines()]
    last = {one["seed"]: one["predictions"] for one in rounds if (one["strategy"], one["labels"]) == ("default", 12)}
    right = [
        meaning["intents"][at - 1] == intents[place]
        for ids in last.values()
        for at, place in zip(ids, meaning["test"], strict=True)
    ]
    assert found["strategies"]["default"]["curve"][-1]["accuracy"] == pytest.approx(np.mean(right))
    asked = [place for one in rounds if (one["strategy"], one["seed"]) == ("default", 0) for place in one["picked"]]
    assert len(set(asked)) == len(asked) == 12
    assert not set(asked) & set(meaning["test"])
    assert "<svg" in Path(files["html"]).read_text("utf-8")


def test_an_unknown_strategy_is_named(log: Path) -> None:
    ran = CliRunner().invoke(cli, ["bench", "labels", "--data", str(log), "--strategies", "default,best"], obj=object())
    assert ran.exit_code == 1
    assert "'best'" in ran.output


@pytest.mark.model
@pytest.mark.parametrize("command", ["labels", "entities", "reports"])
def test_five_rows_are_too_few_and_said_so(tmp_path: Path, command: str) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"text {i}", "intent": "hello", "split": "test" if i == 4 else "train"} for i in range(5)
    ]
    found = CliRunner().invoke(cli, ["bench", command, "--data", str(write(tmp_path / "few.jsonl", rows))])
    assert found.exit_code == 1
    assert "few has" in found.output
    assert "Traceback" not in found.output
