"""The job PROPOSE: what people say again and again that no intent covers becomes a proposal for its owner.

Looked at are the newest turns without a label, at most `trainer.LOG_LIMIT` of them, as the head in force sees them.
What is known already is told from what is new before anything is written; the outcome is written in one transaction,
which first looks whether that head is still in force and no twin of the job has written. A repeat finds the same
clusters known and changes nothing."""

from collections.abc import Sequence

import numpy as np
import structlog

from service import clock, database
from service.classifiers.store import champion_n
from service.context import Context
from service.encoding import Encoder, pack
from service.learning.head import Head, probabilities
from service.learning.types import Floats2d
from service.proposals import store
from service.proposals.recurring import known_as
from service.proposals.schemas import NewProposal
from service.reviews.candidates import vectors_of
from service.turns.store import sayings_of
from service.turns.vectors import texts_without_vector
from workers import clusters
from workers.clusters import Cluster, Known
from workers.phrases import key_phrases
from workers.snapshot import Snapshot, look

log = structlog.get_logger()

MEMBERS = 100  # turns of a proposal that are kept, the nearest to its middle


def propose(context: Context, encoder: Encoder, bot: str) -> list[int] | None:
    """The new proposals' ids; None while no classifier is in force that reads the vectors of now, or turns lack one: of
    half a log other things would be proposed, and what was would lapse."""
    seen = look(context, encoder, bot)
    champion = seen.champion
    if champion is None or champion.encoder != seen.live or not len(champion.head.intent_ids):
        return None
    with database.reading(context.engine) as connection:
        if texts_without_vector(connection, bot, seen.live, limit=1):
            log.info("proposing.waits", bot=bot)  # the training after the vectors, or the schedule, asks again
            return None
    proposals = _described(context, seen, cluster(champion.head, _taught(context, bot, seen), seen.log))
    with database.reading(context.engine) as connection:
        last, known = store.last_id(connection, bot), store.known(connection, bot, seen.live)
    again = [known_as(one, known, champion.head.center) for one in proposals]
    fresh = [one for one, proposal_id in zip(proposals, again, strict=True) if proposal_id is None]
    kept = [proposal_id for proposal_id in again if proposal_id is not None]
    with database.writing(context.engine) as connection:
        store.lock(connection, bot)
        if champion_n(connection, bot) != champion.n or store.last_id(connection, bot) != last:
            return None  # the promotion has asked for another look, or a twin has just looked
        new = store.replace_open(connection, bot, champion.n, seen.live, fresh, kept, clock.now())
    log.info("intents.proposed", bot=bot, n=champion.n, found=len(proposals), new=len(new))
    return new


def cluster(head: Head, taught: Known, turns: Floats2d) -> list[Cluster]:
    """Clusters of the turns (m, d) that are far from what the head was taught. Without a label there are none: all
    turns would be."""
    if not len(turns) or not len(taught.x):
        return []
    known = Known(np.vstack([taught.x, head.center + head.prototypes]), np.append(taught.y, head.intent_ids))
    return clusters.find(turns, 1 - probabilities(head, turns).max(axis=1), known, head.center)


def _taught(context: Context, bot: str, seen: Snapshot) -> Known:
    """Turns labelled with an intent, be it archived: its owner knows what they mean. Those labelled `none` are far from
    every intent, whatever else they are."""
    rows = [row for row, label in enumerate(seen.labels) if label.intent_id is not None]
    y = np.array([seen.labels[row].intent_id for row in rows], np.int64)
    with database.reading(context.engine) as connection:
        shelved = store.shelved(connection, bot)
        turn_ids, x = vectors_of(connection, shelved, seen.live)
    if not len(x):
        return Known(seen.x[rows], y)
    more = np.array([shelved[turn_id] for turn_id in turn_ids.tolist()], np.int64)
    return Known(np.vstack([seen.x[rows].reshape(-1, x.shape[1]), x]), np.append(y, more))


def _described(context: Context, seen: Snapshot, found: Sequence[Cluster]) -> list[NewProposal]:
    """With key phrases, from the texts as they are stored: redacted."""
    with database.reading(context.engine) as connection:
        turns = sayings_of(connection, seen.log_ids) if found else {}
    turn_ids = [[seen.log_ids[row] for row in one.rows.tolist()] for one in found]
    said = [[turns[turn_id] for turn_id in ids if turn_id in turns] for ids in turn_ids]
    phrases = key_phrases(said, list(turns.values()))
    return [
        NewProposal(
            turn_ids=tuple(ids[:MEMBERS]),
            middle=pack(seen.log[one.rows].mean(axis=0)),
            turns=one.turns,
            tightness=round(one.tightness, 3),
            phrases=marking,
        )
        for one, ids, marking in zip(found, turn_ids, phrases, strict=True)
    ]
