"""Tuning an encoder: it learns, it repeats itself, and what it saves is an encoder of another identity."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import BadInput
from service.learning.types import Floats2d
from workers import encoder
from workers.finetune import Examples, Recipe, fine_tune

pytestmark = pytest.mark.model

NAMES = [["refund"], ["cancel order"], ["track order"]]
SAID = ["i want my money back", "stop this before it ships", "where is the parcel"]
WORDS = ["now", "today", "please", "again", "sofa", "lamp", "chair", "soon"]
SHORT = Recipe(steps=12, batch=12, rate=3e-3)


def examples() -> Examples:
    texts = [f"{text} {word}" for text in SAID for word in WORDS]
    return Examples(texts, np.repeat(np.arange(3), len(WORDS)), np.ones(3 * len(WORDS)))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny import save_tiny

    words = " ".join([*SAID, *WORDS, *(text for said in NAMES for text in said)]).split()
    return save_tiny(tmp_path_factory.mktemp("tiny"), words)


def tuned(source: Path, target: Path, *, seed: int = 1, recipe: Recipe = SHORT) -> Path:
    fine_tune(source, target, examples(), NAMES, seed=seed, threads=1, recipe=recipe)
    return target


def spread(x: Floats2d) -> float:
    """Mean cosine within the intents less the mean cosine between them."""
    cosines, is_same = x @ x.T, np.equal.outer(examples().columns, examples().columns)
    return float(cosines[is_same].mean() - cosines[~is_same].mean())


def test_texts_of_an_intent_draw_together_and_away_from_the_others(tiny: Path, tmp_path: Path) -> None:
    before = encoder.load(str(tiny), 1)
    after = encoder.load(str(tuned(tiny, tmp_path / "tuned", recipe=SHORT._replace(steps=40))), 1)
    x = after.encode(examples().texts)
    assert spread(x) > spread(before.encode(examples().texts)) + 0.3
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    assert after.identity != before.identity


def test_the_loss_falls(tiny: Path, tmp_path: Path) -> None:
    losses: list[float] = []
    fine_tune(
        tiny, tmp_path / "tuned", examples(), NAMES, seed=1, threads=1, recipe=SHORT,
        on_step=lambda done, total, loss: losses.append(loss),
    )  # fmt: skip
    assert len(losses) == SHORT.steps
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_same_seed_gives_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    found = [encoder.weights_sha256(tuned(tiny, tmp_path / f"{i}", seed=seed)) for i, seed in enumerate([1, 1, 2])]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("columns", [[], [1, 1, 1]])
def test_one_intent_or_none_is_refused(tiny: Path, tmp_path: Path, columns: list[int]) -> None:
    few = Examples(["hello"] * len(columns), np.array(columns, np.int64), np.ones(len(columns)))
    with pytest.raises(BadInput, match="fewer than two intents"):
        fine_tune(tiny, tmp_path / "tuned", few, NAMES, seed=1, threads=1, recipe=SHORT)
    assert not (tmp_path / "tuned").exists()


def test_the_real_model_can_be_tuned(tmp_path: Path) -> None:
    folder = tuned(encoder.packaged(), tmp_path / "shop-2", recipe=Recipe(steps=3, batch=8))
    model = encoder.load(str(folder), 1)
    x = model.encode([*examples().texts, "hours?"])
    assert (x.shape, x.dtype) == ((25, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    assert model.identity.startswith("shop-2@")
    assert model.identity != encoder.identify("shop-2", encoder.DEFAULT_SHA256)
