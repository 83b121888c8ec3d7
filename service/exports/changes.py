"""What changed from one release to the next: pure, from what each of them holds."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from service.exports.held import Held, KnownIntent, Labelled
from service.exports.schemas import Change, Changes, IntentRows
from service.learning.head import NONE
from service.learning.types import Ints1d

OUT_OF_SCOPE = "none"


def changes(before: Held, after: Held) -> Changes:
    """A turn is the same row in both, unless it moved between what trains and what tests. A merge relabels nothing: its
    labels say what they said."""
    old, new = before.labelled, after.labelled
    _, of_old, of_new = np.intersect1d(_keys(old), _keys(new), return_indices=True)
    said = _followed(_merged(after.intents), old.intent_ids[of_old])
    is_other = said != new.intent_ids[of_new]
    is_newer = (old.label_ids[of_old] != new.label_ids[of_new]) & ~is_other
    counted = {
        "added": Counter(np.delete(new.intent_ids, of_new).tolist()),
        "removed": Counter(np.delete(old.intent_ids, of_old).tolist()),
        "relabelled": Counter(new.intent_ids[of_new][is_other].tolist()),
        "confirmed": Counter(new.intent_ids[of_new][is_newer].tolist()),
    }
    return Changes(
        **{kind: found.total() for kind, found in counted.items()},
        intents=_intents(before.intents, after.intents),
        rows=_rows(after, counted),
    )


def _keys(labelled: Labelled) -> Ints1d:
    return np.asarray(2 * labelled.turn_ids + labelled.is_test)


def _merged(intents: Sequence[KnownIntent]) -> dict[int, int]:
    """Each intent's id → the one its labels count for."""
    into = {intent.id: intent.merged_into for intent in intents}
    found = {}
    for intent_id in into:
        end = intent_id
        while (target := into[end]) is not None:
            end = target
        found[intent_id] = end
    return found


def _followed(into: Mapping[int, int], intent_ids: Ints1d) -> Ints1d:
    return np.array([into.get(intent_id, intent_id) for intent_id in intent_ids.tolist()], np.int64)


def _intents(before: Sequence[KnownIntent], after: Sequence[KnownIntent]) -> tuple[Change, ...]:
    """By the name the intent had."""
    old, names = {intent.id: intent for intent in before}, {intent.id: intent.name for intent in after}
    found = [_changed(old.get(intent.id), intent, names) for intent in after]
    return tuple(sorted(filter(None, found), key=lambda change: (change.name, change.kind)))


def _changed(old: KnownIntent | None, new: KnownIntent, names: Mapping[int, str]) -> Change | None:
    if old is None or old.is_archived:
        return None if new.is_archived else Change("new" if old is None else "restored", new.name)
    if new.merged_into is not None:
        return Change("merged", old.name, names[new.merged_into])
    if new.is_archived:
        return Change("archived", old.name)
    return Change("renamed", old.name, new.name) if old.name != new.name else None


def _rows(after: Held, counted: Mapping[str, Counter[int]]) -> tuple[IntentRows, ...]:
    """By name, `none` last; intents without rows that lost none are left out."""
    names = {intent.id: intent.name for intent in after.intents} | {NONE: OUT_OF_SCOPE}
    there = Counter(after.labelled.intent_ids.tolist())
    ids = [one for one in (*(intent.id for intent in after.intents), NONE) if there[one] or counted["removed"][one]]
    return tuple(
        IntentRows(names[one], there[one], **{kind: found[one] for kind, found in counted.items()}) for one in ids
    )
