"""What the promotion gate lets through, by the product's own draw of flips and its own verdict.

The model of a flip: champion and challenger decide 8 % of the recent turns differently. On a share of these neither is
right; on the others one of the two is, so that a challenger truly d points away has P(win) − P(loss) = d / 8. A
reviewer who errs on a turn that one of them got right names, with equal chance, the other one's answer or a third one.
Forty flips are drawn from 5,000 recent turns; twelve are all that 150 turns give. Answers come one at a time, and the
gate ends as soon as the verdict does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.classifiers.rules import Tally, Verdict, verdict
from workers.trials import draw

POINTS = (-3, -1, 0, 1, 3)
DISAGREEMENT = 8  # points
NEITHER, ERRORS = 0.2, 0.05
TURNS, FEW_TURNS = 5_000, 150
SEED = 3


def measure(runs: int) -> dict[str, Any]:
    """Shares promoted, by true difference in points; `sensitivity` has other shares of `neither` and of errors."""
    others = [(neither, errors) for neither in (0.0, 0.4) for errors in (0.0, 0.1)]
    return {
        "promoted": _promoted(runs, TURNS),
        "promoted_12": _promoted(runs, FEW_TURNS),
        "runs": runs,
        "disagreement": DISAGREEMENT / 100,
        "neither": NEITHER,
        "reviewer_errors": ERRORS,
        "sensitivity": [
            {"neither": neither, "reviewer_errors": errors, "promoted": _promoted(runs, TURNS, neither, errors)}
            for neither, errors in others
        ],
    }


def _promoted(runs: int, turns: int, neither: float = NEITHER, errors: float = ERRORS) -> dict[str, float]:
    rng = np.random.default_rng(SEED)
    kinds = {points: answers(points, neither, errors) for points in POINTS}
    ended = {points: sum(_run(p, turns, rng) == "promote" for _ in range(runs)) for points, p in kinds.items()}
    return {f"{points:+d}" if points else "0": round(count / runs, 4) for points, count in ended.items()}


def answers(points: float, neither: float, errors: float) -> tuple[float, float, float]:
    """How likely an answer makes a flip a win, a loss, neither.

    >>> [round(p, 4) for p in answers(3, 0.2, 0.0)]
    [0.5875, 0.2125, 0.2]
    """
    lead = points / DISAGREEMENT
    win, loss = (1 - neither + lead) / 2, (1 - neither - lead) / 2
    said = (win * (1 - errors) + loss * errors / 2, loss * (1 - errors) + win * errors / 2)
    return (*said, 1 - sum(said))


def _run(p: Sequence[float], turns: int, rng: np.random.Generator) -> Verdict:
    """One gate: flips drawn from recent turns, answered in the order drawn until the verdict."""
    differ = np.arange(turns) < turns * DISAGREEMENT // 100
    kinds = rng.choice(3, int(differ.sum()), p=p)[draw(differ, rng)]
    counts = [0, 0, 0]
    for at, kind in enumerate(kinds.tolist()):
        ended = verdict(Tally(counts[0], counts[1], counts[2], len(kinds) - at))
        if ended:
            return ended
        counts[kind] += 1
    ended = verdict(Tally(counts[0], counts[1], counts[2], 0))
    assert ended is not None
    return ended
