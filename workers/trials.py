"""The trial a challenger has to stand: recent turns that it decides differently from the champion, drawn uniformly, to
be answered blind (workers/gating.py)."""

from collections.abc import Collection
from datetime import datetime

import numpy as np

from service.classifiers import rules
from service.classifiers.gates import Flip
from service.classifiers.schemas import Classifier, Gate, Manifest
from service.learning.head import Head, decide
from service.learning.types import Bools1d
from workers.snapshot import Snapshot


def trial(
    seen: Snapshot, champion: Classifier, head: Head, manifest: Manifest, now: datetime, *, but: Collection[int] = ()
) -> tuple[Gate, list[Flip]] | None:
    """The gate and its flips, each of the two deciding by its own encoder; None when there is nothing to defend: the
    champion's encoder is gone, and with it everything it could read, or nobody has answered a card yet, and both know
    only what the owner wrote. A challenger that brings an encoder of its own is always tried. `but`: turns that cannot
    be asked about blind any more; the two are not compared on those either."""
    both_cold = manifest.phase == "cold" and champion.manifest.phase == "cold"
    if champion.encoder != seen.live or (both_cold and seen.encoder == seen.live):
        return None
    before, after = decide(champion.head, seen.live_log), decide(head, seen.log)
    is_free = np.array([turn_id not in but for turn_id in seen.log_ids], np.bool_)
    differ = (before != after) & is_free
    compared, disagreed = int(is_free.sum()), int(differ.sum())
    reason = rules.hopeless(compared, disagreed)
    gate = Gate(
        challenger=seen.newest_n + 1,
        champion=champion.n,
        status="held" if reason else "open",
        compared=compared,
        disagreed=disagreed,
        opened_at=now,
        decided_at=now if reason else None,
        reason=reason,
    )
    picked = [] if reason else draw(differ, np.random.default_rng(manifest.seed))
    return gate, [Flip(seen.log_ids[i], int(before[i]) or None, int(after[i]) or None) for i in picked]


def draw(differ: Bools1d, rng: np.random.Generator) -> list[int]:
    """Up to 40 of the rows that differ, each with the same chance."""
    rows = np.flatnonzero(differ)
    picked: list[int] = rng.choice(rows, min(rules.MOST_FLIPS, len(rows)), replace=False).tolist()
    return picked
