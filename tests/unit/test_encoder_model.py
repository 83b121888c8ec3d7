"""The real model: what it says, and that how it is asked does not matter."""

import shutil
import time

import numpy as np
import pytest

from service.errors import ConfigError, EncoderDown
from workers import encoder
from workers.batching import Batcher

pytestmark = pytest.mark.model

TEXTS = [
    "where is my order",
    "can you tell me where my order is",
    "i want my money back please",
    "hours?",
    "the app keeps logging me out every time i try to pay with a card and i have tried it three times now",
    "WHERE IS MY ORDER",
]


@pytest.fixture(scope="module")
def model() -> encoder.SentenceModel:
    return encoder.load("", 1)


def plain(model: encoder.SentenceModel, texts: list[str]) -> np.ndarray:
    return np.asarray(model.compute(texts, autocast=False))


def test_the_default_has_the_identity_of_the_hubs_weights(model):
    assert model.identity == "all-MiniLM-L6-v2@53aa51172d14"


def test_vectors_are_float32_of_length_one(model):
    rows = model.encode(TEXTS)
    assert (rows.shape, rows.dtype) == ((6, 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_paraphrase_is_nearer_than_another_request(model):
    cosines = plain(model, TEXTS) @ plain(model, TEXTS).T
    assert cosines[0, 1] > 0.85
    assert cosines[0, 2] < 0.5
    assert cosines[0, 5] > 0.9999  # the model knows no capitals


def test_a_batch_says_what_single_texts_say(model):
    single = np.concatenate([plain(model, [text]) for text in TEXTS])
    np.testing.assert_allclose(plain(model, TEXTS), single, atol=1e-5)


def test_bf16_says_the_same(model):
    texts = [f"{text} {i}" for text in TEXTS for i in range(10)]
    cosines = np.sum(plain(model, texts) * model.compute(texts, autocast=True), axis=1)
    assert cosines.min() > 0.9998


def test_a_batcher_says_what_the_model_says(model):
    batcher = Batcher(model)
    texts = [f"{text} {i}" for i in range(20) for text in TEXTS]
    cosines = np.sum(batcher.encode(texts, time.monotonic() + 60) * plain(model, texts), axis=1)
    assert cosines.min() > 0.9998
    with pytest.raises(EncoderDown):
        batcher.encode(["too late"], time.monotonic())
    batcher.close()


def test_a_copied_folder_is_the_same_encoder(model, tmp_path):
    folder = tmp_path / encoder.DEFAULT_NAME
    shutil.copytree(encoder.packaged(), folder)
    copied = encoder.load(str(folder), 1)
    assert copied.identity == model.identity
    np.testing.assert_array_equal(plain(copied, TEXTS), plain(model, TEXTS))


def test_a_folder_that_holds_no_model_is_said(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="is not a sentence-transformers model"):
        encoder.load(str(tmp_path), 1)


def test_damaged_weights_are_said(tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(encoder.packaged(), folder)
    (folder / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match="is not a sentence-transformers model"):
        encoder.load(str(folder), 1)
