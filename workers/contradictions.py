"""New labels held against older ones of turns that say the same: where they differ the older one comes back, to an
adjudicator. It keeps training until they decide."""

from collections.abc import Iterator, Mapping

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database
from service.context import Context
from service.encoding import NO_TURN, Encoder
from service.errors import EncoderDown
from service.learning.diversity import DUPLICATE
from service.learning.folding import folds, key
from service.reviews import candidates, contradictions, labels
from service.reviews.contradictions import Contradiction, News
from service.reviews.schemas import TrainingLabel
from workers import surroundings

log = structlog.get_logger()

CHUNK = 50  # labels a transaction
NEAREST = 256  # neighbours looked at

Alike = Mapping[tuple[int, int], float]  # two turns → their cosine


def compare(context: Context, encoder: Encoder, bot: str) -> None:
    """Everything new; what cannot be compared while the encoder is away is compared when it is back."""
    while True:
        with database.reading(context.engine) as connection:
            seen = contradictions.news(connection, bot, CHUNK)
        if not seen.turn_ids:
            return
        try:
            found = _contradictions(context, encoder, bot, seen)
        except EncoderDown as error:
            log.warning("labels.not_compared", bot=bot, error=str(error))
            return
        with database.writing(context.engine) as connection:
            cards = contradictions.bring_back(connection, bot, seen, found, clock.now())
        log.info("labels.compared", bot=bot, labels=len(seen.turn_ids), cards=len(cards))


def _contradictions(context: Context, encoder: Encoder, bot: str, seen: News) -> list[Contradiction]:
    with database.reading(context.engine) as connection:
        alike = _near(connection, encoder, bot, seen.turn_ids)
        alike |= dict.fromkeys(contradictions.said_alike(connection, bot, seen.turn_ids), 1.0)
        turn_ids = {turn_id for pair in alike for turn_id in pair}
        given = labels.given(connection, bot, sorted(turn_ids))
        differing = list(_differing(alike, given, seen))
        keys = {
            turn_id: key(spoken) for turn_id, spoken in candidates.utterances(connection, _turns(differing)).items()
        }
    return [
        pair
        for pair in differing
        if (new := keys.get(pair.new.turn_id)) is not None
        and (old := keys.get(pair.old.turn_id)) is not None
        and folds(new, old, alike[pair.new.turn_id, pair.old.turn_id])
    ]


def _near(connection: sa.Connection, encoder: Encoder, bot: str, turn_ids: list[int]) -> dict[tuple[int, int], float]:
    """The turns' neighbours within the duplicate radius."""
    ids, x = candidates.vectors_of(connection, turn_ids, encoder.identity(bot))
    if not len(ids):
        return {}
    neighbours, cosines = surroundings.others(encoder, bot, ids, x, NEAREST)
    rows, places = hits = np.nonzero((cosines >= DUPLICATE) & (neighbours != NO_TURN))
    pairs = zip(ids[rows].tolist(), neighbours[hits].tolist(), strict=True)
    return dict(zip(pairs, cosines[rows, places].tolist(), strict=True))


def _differing(alike: Alike, given: Mapping[int, TrainingLabel], seen: News) -> Iterator[Contradiction]:
    """Pairs whose labels are another intent, or one of them none; of a turn labelled since then its next label will
    tell."""
    for one, other in alike:
        new, old = given.get(one), given.get(other)
        if new is None or old is None or not seen.after < new.id <= seen.last:
            continue
        if old.id < new.id and old.intent_id != new.intent_id:
            yield Contradiction(old, new)


def _turns(pairs: list[Contradiction]) -> set[int]:
    return {label.turn_id for pair in pairs for label in pair}
