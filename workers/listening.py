"""A bot's labelling functions heard on the turns that a training looks at."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import database
from service.context import Context
from service.intents.schemas import Intent
from service.intents.store import intent_ids
from service.learning.types import Floats1d, Ints1d, Ints2d
from service.weak import store
from service.weak.parsing import parse
from service.weak.rules import votes
from service.weak.schemas import AnyFunction, Heard, Nearest
from workers.hints import NOWHERE


class Said(NamedTuple):
    """What f functions say, as intent ids or weak.ABSTAINS."""

    functions: Sequence[AnyFunction]
    rows: Ints1d  # (r,) of the log that they were heard on
    on_log: Ints2d  # (r, f)
    on_labels: Ints2d  # (n, f)

    @property
    def least_cosine(self) -> Floats1d:
        return np.array([one.min_cosine if isinstance(one, Nearest) else NOWHERE for one in self.functions])


def listen(
    context: Context, bot: str, set_id: int, labels: Sequence[int], log: Sequence[int], intents: Sequence[Intent]
) -> Said | None:
    """On labelled turns and unlabelled ones, by id; None when the set is empty. A text that somebody labelled is heard
    among the labels only: what people say counts. One that is said again and again is heard once, or it would teach so
    many times. A function that is too slow for some of these turns says nothing on any."""
    with database.reading(context.engine) as connection:
        functions = parse(store.text_of(connection, set_id).encode())
        if not functions:
            return None
        turns, ids = store.heard(connection, [*labels, *log]), _live(connection, bot, intents)
    on_labels, on_log = ([turns.get(turn_id, Heard("")) for turn_id in some] for some in (labels, log))
    rows = _new(on_log, {turn.text for turn in on_labels})
    said = votes(functions, [*on_labels, *(on_log[row] for row in rows)], ids)
    return Said(functions, rows, on_log=said[len(labels) :], on_labels=said[: len(labels)])


def _live(connection: sa.Connection, bot: str, intents: Sequence[Intent]) -> dict[str, int]:
    """Every name of an intent that is not archived."""
    live = {intent.id for intent in intents}
    return {name: intent_id for name, intent_id in intent_ids(connection, bot).items() if intent_id in live}


def _new(turns: Iterable[Heard], known: set[str]) -> Ints1d:
    """Places of the texts that are not known, each once."""
    first: dict[str, int] = {}
    for place, turn in enumerate(turns):
        first.setdefault(turn.text, place)
    return np.array([place for text, place in first.items() if text not in known], np.int64)
