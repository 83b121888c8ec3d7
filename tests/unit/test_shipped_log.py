"""What the shipped log is: its size, its long tail, its noise, and that no text is a template of another."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "workers" / "demo"
DUPLICATE = 0.95  # cosine from which two turns count as the same
FENCE = 0.15  # difference between the old bot's two best scores


def conversations() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / "log.jsonl").read_text("utf-8").splitlines()]


def user_turns() -> list[dict[str, Any]]:
    return [turn for conversation in conversations() for turn in conversation["turns"] if turn["speaker"] == "user"]


def intents() -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in (FOLDER / "intents.jsonl").read_text("utf-8").splitlines()]
    return {row["name"]: row for row in rows}


def test_it_is_large_enough_and_every_truth_is_an_intent_none_or_context() -> None:
    turns = user_turns()
    assert len(conversations()) >= 200
    assert len(turns) >= 600
    assert {turn["intent"] for turn in turns} <= {*intents(), "oos", None}


def test_intents_are_long_tailed() -> None:
    counts = sorted(Counter(turn["intent"] for turn in user_turns() if turn["intent"] in intents()).values())
    assert len(counts) >= 24
    assert counts[-1] >= 6 * counts[0]


def test_it_holds_out_of_scope_turns_fences_pairs_and_one_word_turns() -> None:
    turns = user_turns()
    scores = [sorted((row["score"] for row in turn["nlu"]["intents"]), reverse=True) for turn in turns]
    on_fence = sum(len(row) > 1 and row[0] - row[1] < FENCE for row in scores)
    assert sum(turn["intent"] == "oos" for turn in turns) >= 0.08 * len(turns)
    assert on_fence >= 0.12 * len(turns)
    assert sum(bool(turn.get("also")) for turn in turns) >= 15
    assert sum(len(turn["text"].split()) == 1 for turn in turns) >= 15


def test_spans_are_where_they_say() -> None:
    entities = [(turn["text"], entity) for turn in user_turns() for entity in turn["entities"]]
    assert len(entities) >= 250
    assert [text[entity["start"] : entity["end"]] for text, entity in entities] == [
        entity["text"] for _, entity in entities
    ]


def test_some_reports_are_wrong() -> None:
    reported = [turn for turn in user_turns() for _report in turn.get("reports", ())]
    wrong = sum(turn["nlu"]["intents"][0]["name"] == turn["intent"] for turn in reported if turn["nlu"]["intents"])
    assert len(reported) >= 60
    assert 0 < wrong < 0.3 * len(reported)


def test_no_four_words_come_in_over_two_percent_of_turns() -> None:
    turns = user_turns()
    counts: Counter[tuple[str, ...]] = Counter()
    for turn in turns:
        words = turn["text"].lower().split()
        counts.update({tuple(words[i : i + 4]) for i in range(len(words) - 3)})
    (words, n), *_ = counts.most_common(1)
    print(f"most frequent 4-gram: {' '.join(words)!r} in {n} of {len(turns)} turns ({n / len(turns):.2%})")
    assert n <= 0.02 * len(turns)


@pytest.mark.model
def test_turns_differ_but_for_natural_repeats() -> None:
    from tests.support.model import encode

    vectors = encode([turn["text"] for turn in user_turns()])
    cosines = vectors @ vectors.T
    earlier = np.tril(cosines >= DUPLICATE, k=-1).any(axis=1)
    print(f"turns within {DUPLICATE} of an earlier one: {earlier.sum()} of {len(vectors)} ({earlier.mean():.1%})")
    assert 0.05 <= earlier.mean() <= 0.10


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("FENCEPOST_DATA"), reason="set FENCEPOST_DATA to the folder with the public data"
)
@pytest.mark.parametrize("name", ["clinc150", "banking77", "snips", "sgd_dev"])
def test_no_text_comes_from_a_public_data_set(name: str) -> None:
    path = Path(os.environ["FENCEPOST_DATA"]) / f"{name}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    public = {_plain(turn["text"]) for row in rows for turn in row.get("turns", [row])}
    longer = {_plain(turn["text"]) for turn in user_turns() if len(turn["text"].split()) > 4}
    assert longer & public == set()  # "where is my order" is everybody's


def _plain(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalnum() or c.isspace()).split())
