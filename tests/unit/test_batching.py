"""Requests that wait together share passes; equal texts are encoded once; nobody waits past the deadline."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from service.errors import EncoderDown
from tests.support.encode import FakeModel
from workers.batching import SHORT, Batcher, Cache
from workers.encoder import BATCH


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def batcher(model: FakeModel) -> Iterator[Batcher]:
    batcher = Batcher(model, cached=1000)
    yield batcher
    model.gate.set()
    batcher.close()


def held(model: FakeModel, batcher: Batcher) -> threading.Thread:
    """Keep the model busy, so that what is asked next has to wait."""
    model.gate.clear()
    thread = threading.Thread(target=batcher.encode, args=(["busy"], soon()))
    thread.start()
    wait_until(lambda: model.passes == [["busy"]])
    return thread


def wait_until(condition) -> None:
    limit = soon()
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def soon() -> float:
    return time.monotonic() + 30


def ask(batcher: Batcher, *requests: list[str]) -> list[threading.Thread]:
    threads = []
    for texts in requests:
        threads.append(threading.Thread(target=batcher.encode, args=(texts, soon())))
        threads[-1].start()
        wait_until(lambda: len(batcher._waiting) == len(threads))
    return threads


def test_rows_come_in_the_order_of_the_texts(model, batcher):
    texts = [f"text {i % 50} {'x' * (i % 7)}" for i in range(3 * BATCH)]
    np.testing.assert_array_equal(batcher.encode(texts, soon()), FakeModel().encode(texts))
    assert max(map(len, model.passes)) <= BATCH


def test_a_text_is_encoded_once(model, batcher):
    first = batcher.encode(["hello", "hello", "bye"], soon())
    np.testing.assert_array_equal(batcher.encode(["bye", "hello"], soon()), first[[2, 0]])
    assert sorted(text for batch in model.passes for text in batch) == ["bye", "hello"]


def test_no_texts_have_no_rows(batcher):
    assert batcher.encode([], soon()).shape == (0, 0)


def test_requests_that_wait_together_share_a_pass(model, batcher):
    threads = [held(model, batcher), *ask(batcher, ["a"], ["b"], ["c", "a"])]
    model.gate.set()
    for thread in threads:
        thread.join()
    assert model.passes == [["busy"], ["a", "b", "c"]]


def test_a_short_request_waits_for_one_pass_of_a_long_one_at_most(model, batcher):
    long = [f"long {i:04}" for i in range(4 * BATCH)]
    threads = [held(model, batcher), *ask(batcher, long, ["short"])]
    model.gate.set()
    for thread in threads:
        thread.join()
    assert ["short"] in model.passes[1:3]
    assert sum(map(len, model.passes)) == 2 + len(long)


def test_many_short_requests_do_not_starve_a_long_one(model, batcher):
    long = [f"long {i:04}" for i in range(SHORT + 1)]
    threads = [held(model, batcher), *ask(batcher, long, *[[f"short {i}"] for i in range(2 * BATCH)])]
    model.gate.set()
    for thread in threads:
        thread.join()
    assert sorted(long) in [sorted(batch) for batch in model.passes[1:3]]


def test_a_deadline_that_passes_is_an_encoder_that_is_down(model, batcher):
    thread = held(model, batcher)
    with pytest.raises(EncoderDown, match="not encoded in time"):
        batcher.encode(["late"], time.monotonic() + 0.05)
    model.gate.set()
    thread.join()
    batcher.encode(["next"], soon())
    assert model.passes == [["busy"], ["next"]]  # what nobody waits for is not computed


def test_a_failing_model_fails_those_who_asked_and_goes_on(model, batcher):
    with pytest.raises(RuntimeError, match="no such token"):
        batcher.encode(["poison"], soon())
    assert batcher.encode(["fine"], soon()).shape == (1, 64)


def test_a_closed_batcher_refuses(model):
    batcher = Batcher(model)
    batcher.close()
    with pytest.raises(EncoderDown, match="stopping"):
        batcher.encode(["late"], soon())


def test_the_cache_forgets_what_was_used_longest_ago():
    cache = Cache(2)
    rows = np.eye(3, dtype=np.float32)
    cache.put("a", rows[0])
    cache.put("b", rows[1])
    assert cache.get("a") is not None
    cache.put("c", rows[2])
    assert cache.get("b") is None
    np.testing.assert_array_equal(cache.get("a"), rows[0])
    assert len(cache) == 2
