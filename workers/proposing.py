"""The job PROPOSE: what people say again and again that no intent covers becomes a proposal for its owner.

Looked at are the newest turns without a label, at most `trainer.LOG_LIMIT` of them, as the head in force sees them.
What is known already is told from what is new before anything is written; the outcome is written in one transaction,
which first looks whether that head is still in force and no twin of the job has written. A repeat finds the same
clusters known and changes nothing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database
from service.classifiers.store import champion_n
from service.context import Context
from service.encoding import Encoder, pack
from service.learning.head import Head, probabilities
from service.learning.types import Floats2d
from service.proposals import store
from service.proposals.recurring import known_as
from service.proposals.schemas import Growth, NewProposal
from service.reviews.candidates import vectors_of
from service.reviews.labels import training_labels
from service.turns.store import sayings_of
from service.turns.vectors import texts_without_vector
from workers import clusters
from workers.clusters import Cluster, Known
from workers.phrases import key_phrases
from workers.snapshot import look

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
        known_turns = taught(connection, bot, seen.live)
    found = [
        Grouped([seen.log_ids[row] for row in one.rows.tolist()], seen.log[one.rows], one.turns, one.tightness)
        for one in cluster(champion.head, known_turns, seen.log)
    ]
    proposals = described(context, found, seen.log_ids)
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
    doubt = 1 - probabilities(head, turns).max(axis=1)
    return clusters.find(turns, doubt, with_prototypes(taught, head), head.center)


def taught(connection: sa.Connection, bot: str, encoder: str) -> Known:
    """Turns labelled with an intent, be it archived: its owner knows what they mean. Those labelled `none` are far from
    every intent, whatever else they are."""
    labels = training_labels(connection, bot)
    intents = {label.turn_id: label.intent_id for label in labels if label.intent_id is not None}
    intents |= store.shelved(connection, bot)
    turn_ids, x = vectors_of(connection, intents, encoder)
    return Known(x, np.array([intents[turn_id] for turn_id in turn_ids.tolist()], np.int64))


def with_prototypes(taught: Known, head: Head) -> Known:
    """And what the head knows of its intents by their names alone."""
    return Known(np.vstack([taught.x, head.center + head.prototypes]), np.append(taught.y, head.intent_ids))


class Grouped(NamedTuple):
    """A cluster with its turns, the medoid first."""

    turn_ids: Sequence[int]
    x: Floats2d  # of these
    turns: int  # repeats among them
    tightness: float
    growth: Growth | None = None


def described(context: Context, found: Sequence[Grouped], log_ids: Sequence[int]) -> list[NewProposal]:
    """With key phrases, from the texts as they are stored: redacted, and of the turns that are kept alone, so that they
    go when one of these is forgotten. `log_ids`: all turns looked at."""
    with database.reading(context.engine) as connection:
        turns = sayings_of(connection, log_ids) if found else {}
    said = [[turns[turn_id] for turn_id in one.turn_ids[:MEMBERS] if turn_id in turns] for one in found]
    phrases = key_phrases(said, list(turns.values()))
    return [
        NewProposal(
            turn_ids=tuple(one.turn_ids[:MEMBERS]),
            middle=pack(one.x.mean(axis=0)),
            turns=one.turns,
            tightness=round(one.tightness, 3),
            phrases=marking,
            growth=one.growth,
        )
        for one, marking in zip(found, phrases, strict=True)
    ]
