"""One head from the rows it learns: prototypes, the regression on labels and prototypes, its map, the gate."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from service.learning.head import Head, anchors, nearest
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from workers import projection, prototypes
from workers.hints import Examples
from workers.lessons import sharpened
from workers.regression import Linear, fit_logistic

GATE_FROM = 10  # labels `none` that the gate needs, and labels that are not
GATE_C = 10.0
TOLERANCE = 1e-5


class Data(NamedTuple):
    """Everything seen from the center; `column` is the intent's place in `ids`, -1 for none."""

    ids: Ints1d
    names: Floats2d
    x: Floats2d
    column: Ints1d
    weight: Floats1d
    log: Floats2d
    weak: Examples  # beside the labels, for prototypes only

    def rows(self, keep: Bools1d) -> "Data":
        return self._replace(x=self.x[keep], column=self.column[keep], weight=self.weight[keep])


class Gate(NamedTuple):
    weights: Floats1d
    familiarity: float
    bias: float

    def of(self, x: Floats2d, drawn: Floats2d) -> Floats1d:
        return np.asarray(expit(x @ self.weights + self.familiarity * nearest(x, drawn) + self.bias))


class Prototypes(NamedTuple):
    rows: Floats2d  # (k, d)
    is_drawn: Bools1d  # (k,) by the log


Draw = Callable[[Data], Prototypes]


def draw(data: Data) -> Prototypes:
    """Prototypes of names, labels and log."""
    inside, weak = data.column >= 0, data.weak
    x, columns = np.vstack([data.x[inside], weak.x]), np.append(data.column[inside], weak.column)
    rows = prototypes.refine(data.names, data.log, x, columns, np.append(data.weight[inside], weak.weight))
    return Prototypes(rows, np.full(len(rows), len(data.log) > 0))


def spare(data: Data) -> Prototypes:
    """The same without the log, for the intents that have labels: one without is as cold as the whole bot once was,
    and no label can tell what would help it."""
    drawn = draw(data)
    is_drawn = (_totals(data) == 0) & drawn.is_drawn
    plain = draw(data._replace(log=data.log[:0]))
    return Prototypes(np.where(is_drawn[:, None], drawn.rows, plain.rows), is_drawn)


def _totals(data: Data) -> Floats1d:
    """(k,) weight of each intent's labels."""
    inside = data.column >= 0
    totals = np.bincount(data.column[inside], weights=data.weight[inside], minlength=len(data.ids))
    return totals.astype(np.float64)


def regress(data: Data, drawn: Prototypes, c: float, tolerance: float, start: Linear | None) -> Linear:
    """(k, d) weights and (k,) bias from the labels with an intent and one row per prototype."""
    inside = data.column >= 0
    k = len(data.ids)
    if not inside.any() or k == 1:
        return Linear(prototypes.SHARPNESS * drawn.rows, np.zeros(k))
    rows = np.vstack([data.x[inside], drawn.rows])
    columns = np.append(data.column[inside], np.arange(k))
    weights = np.append(data.weight[inside], anchors(_totals(data), drawn.is_drawn))
    linear = fit_logistic(rows, columns, weights, k, c, tolerance=tolerance, start=start)
    return linear._replace(bias=linear.bias - np.log(np.bincount(columns, weights=weights)))


def mapped(data: Data, linear: Linear, draw: Draw, c: float, rng: np.random.Generator) -> Linear:
    """The same regression on mapped vectors, taken back through the map; `linear` guesses what the log means."""
    inside, k = data.column >= 0, len(data.ids)
    x = np.vstack([data.x[inside], data.names])
    columns = np.append(data.column[inside], np.arange(k))
    weights = np.append(data.weight[inside], np.ones(k))
    guesses = sharpened(linear.of(data.log)) if len(data.log) else np.zeros((0, k))
    map_ = projection.learn(x, columns, weights, data.log, guesses, rng)
    weak = data.weak._replace(x=data.weak.x @ map_)
    moved = data._replace(names=data.names @ map_, x=data.x @ map_, log=data.log @ map_, weak=weak)
    found = regress(moved, draw(moved), c, TOLERANCE, linear)
    return found._replace(weights=found.weights @ map_.T)


def head_of(data: Data, drawn: Prototypes, center: Floats1d, linear: Linear) -> Head:
    gate = fit_gate(data, drawn.rows) if has_gate(data.column) else Gate(np.zeros(len(center)), 0.0, 0.0)
    return Head(
        intent_ids=data.ids,
        weights=linear.weights.astype(np.float32),
        bias=(linear.bias - linear.weights @ center).astype(np.float32),
        temperature=1.0,
        center=center.astype(np.float32),
        prototypes=drawn.rows.astype(np.float32),
        gate_weights=gate.weights.astype(np.float32),
        gate_familiarity=gate.familiarity,
        gate_bias=gate.bias,
    )


def has_gate(column: Ints1d) -> bool:
    none = int((column < 0).sum())
    return min(none, len(column) - none) >= GATE_FROM


def fit_gate(data: Data, drawn: Floats2d) -> Gate:
    is_none = data.column < 0
    if is_none.all() or not is_none.any():  # a fold of few groups
        return Gate(np.zeros(data.x.shape[1]), 0.0, 0.0)
    # Cosines lie around one half: moved, so that the penalty does not mistake the shift for evidence.
    features = np.column_stack([data.x, nearest(data.x, drawn) - 0.5]).astype(np.float64)
    weights = _balanced(is_none.astype(np.int64), data.weight)
    model = LogisticRegression(C=GATE_C, tol=TOLERANCE, max_iter=1000).fit(features, is_none, sample_weight=weights)
    *linear, familiarity = model.coef_[0]
    return Gate(np.array(linear), float(familiarity), float(model.intercept_[0] - familiarity / 2))


def _balanced(column: Ints1d, weight: Floats1d) -> Floats1d:
    """Weights under which every labelled intent counts the same, the total unchanged."""
    totals = np.bincount(column, weights=weight)
    share: Floats1d = weight.sum() / np.count_nonzero(totals)
    return weight * share / totals[column]
