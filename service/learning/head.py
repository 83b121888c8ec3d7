"""The intent head: what one trained classifier computes from an utterance's vector.

Two questions are asked apart. *Which intent, if any of them?* is a calibrated softmax over the bot's intents. *Is it
any of them?* is the out-of-scope gate, a logistic of its own: as one more softmax class `none` would swallow the rare
intents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from service.learning.types import Floats1d, Floats2d, Ints1d

NONE = 0  # stands for `none` where intent ids are expected; real ids begin at 1
NEVER = float("inf")  # a gate that lets everything pass


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """k intents over vectors of d numbers; ids ascend. From gate probability `threshold` on, a turn is out of scope."""

    intent_ids: Ints1d  # (k,)
    weights: Floats2d  # (k, d)
    bias: Floats1d  # (k,)
    temperature: float
    gate_weights: Floats1d  # (d,)
    gate_bias: float
    threshold: float = NEVER

    def __repr__(self) -> str:
        gate = "on" if self.threshold < NEVER else "off"
        return f"Head(k={len(self.intent_ids)}, d={self.weights.shape[1]}, gate={gate})"


def logits(head: Head, x: Floats2d) -> Floats2d:
    """(n, k), before the temperature."""
    return x @ head.weights.T + head.bias


def probabilities(head: Head, x: Floats2d) -> Floats2d:
    """(n, k) calibrated class probabilities, columns as `head.intent_ids`; rows sum to 1 whatever the gate says."""
    if not len(head.intent_ids):
        return np.zeros((len(x), 0), x.dtype)
    return np.asarray(softmax(logits(head, x) / head.temperature, axis=1))


def out_of_scope(head: Head, x: Floats2d) -> Floats1d:
    """(n,) the gate's probability, in [0, 1], that no intent of the bot is meant; 0 while the gate is off."""
    if head.threshold == NEVER:
        return np.zeros(len(x), x.dtype)
    return np.asarray(expit(x @ head.gate_weights + head.gate_bias))


def decide(head: Head, x: Floats2d) -> Ints1d:
    """(n,) intent ids, NONE where the gate holds the turn to be out of scope, or where the head knows no intent."""
    if not len(head.intent_ids):
        return np.full(len(x), NONE)
    best = head.intent_ids[logits(head, x).argmax(axis=1)]
    return np.where(out_of_scope(head, x) >= head.threshold, NONE, best)


def to_arrays(head: Head) -> dict[str, NDArray[Any]]:
    """Plain arrays by name, for a file; `from_arrays` reads them back bit for bit."""
    return {
        "intent_ids": np.asarray(head.intent_ids, np.int64),
        "weights": np.ascontiguousarray(head.weights, np.float32),
        "bias": np.asarray(head.bias, np.float32),
        "gate_weights": np.asarray(head.gate_weights, np.float32),
        "scalars": np.array([head.temperature, head.gate_bias, head.threshold], np.float64),
    }


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Head:
    temperature, gate_bias, threshold = arrays["scalars"].tolist()
    return Head(
        intent_ids=arrays["intent_ids"],
        weights=arrays["weights"],
        bias=arrays["bias"],
        temperature=temperature,
        gate_weights=arrays["gate_weights"],
        gate_bias=gate_bias,
        threshold=threshold,
    )
