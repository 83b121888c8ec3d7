"""What the champion makes of turns: predictions, marks, and what reports add to both."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import structlog

from service import clock, database, jobs, tables
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers import store as classifiers
from service.classifiers.schemas import Classifier
from service.context import Context
from service.encoding import Encoder
from service.intents.store import intent_ids
from service.jobs import Job
from service.keyring import Keyring
from service.learning.confidence import Whose, doubted, uncertainty
from service.learning.head import NONE, decide, familiarity, out_of_scope, probabilities
from service.learning.reports import REVIEWED, reported_uncertainty
from service.learning.types import Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import best_two, in_scope
from service.reports.rules import ENOUGH, Evidence, evidence
from service.reviews import assessments, candidates
from service.reviews.assessments import Assessment, Believed, Mark, ReportedTurn, store_assessments
from service.turns.schemas import Entity, IntentScore
from workers import platforms, surroundings, tagging
from workers.tagging import Look

__all__ = ("Assessment", "assess", "refresh_reports", "rescore", "store_assessments")

log = structlog.get_logger()

# From which on a turn is on the fence, where two intents stand at three to one: their margin, the chance of an error,
# and the chance that two who both see it so answer differently.
BOUNDARY: Mapping[Whose, float] = {"ours": 0.5, "theirs": 0.25, "disagreement": 0.375}
# Cosine with the nearest intent below which a turn is unlike anything taught: on CLINC150 an eighth of what is out of
# scope, and one turn in a thousand that is not.
UNLIKE = 0.2
# Boundary ambiguity from which on a turn's entities are worth asking about: with 200, 600 and 1,500 SNIPS sentences
# labelled that is .48, .26 and .15 of the others, and two in three of these are tagged wrongly.
ENTITY_BOUNDARY = 0.8
# Probability of all of a turn's entities from which on the tagger contradicts the platform: .03 of these are wrong.
SURE = 0.9
CONFIDENT = 0.7  # from which on we and the platform both count as sure
WINDOW = timedelta(days=365)  # of event time: older turns are not shown to a new champion
CHUNK = 256  # turns in one write transaction: under 20 ms


class TurnLike(Protocol):
    """A delivered turn with its source, or one read back from SQL."""

    @property
    def source(self) -> str: ...
    @property
    def external_id(self) -> str: ...
    @property
    def is_slot_fill(self) -> bool: ...
    @property
    def intents(self) -> Sequence[IntentScore]: ...
    @property
    def text(self) -> str: ...
    @property
    def entities(self) -> Sequence[Entity]: ...


def assess(
    classifier: Classifier, bot: Bot, vectors: Floats2d, turns: Sequence[TurnLike], keyring: Keyring
) -> list[Assessment | None]:
    """One per turn; None for slot fills, imports, and while the classifier knows no intent. vectors (n, d)."""
    found: list[Assessment | None] = [None] * len(turns)
    rows = [row for row, turn in enumerate(turns) if not turn.is_slot_fill and turn.source not in tables.NOT_SAID]
    if rows and len(classifier.head.intent_ids):
        asked = [turns[row] for row in rows]
        predicted = _predict(classifier, bot.uncertainty, vectors[rows], asked)
        for row, turn, (plain, likeness) in zip(rows, asked, predicted, strict=True):
            seen = tagging.look(classifier.tagger.data, plain.best_id, turn) if classifier.tagger else None
            disagreement = _disagreement(classifier, plain, turn) or _entity_disagreement(seen)
            ours = (_boundary(plain), _unfamiliar(plain, likeness), disagreement, _entity_boundary(seen))
            marks = tuple(mark for mark in (_audit(bot, turn, keyring), *ours) if mark)
            found[row] = _with_entities(plain, seen)._replace(marks=marks)
    return found


def _with_entities(plain: Assessment, seen: Look | None) -> Assessment:
    return plain._replace(ambiguity=seen.ambiguity, entity_signature=seen.signature) if seen else plain


def _predict(
    classifier: Classifier, whose: Whose, x: Floats2d, turns: Sequence[TurnLike]
) -> Iterator[tuple[Assessment, float]]:
    """Of each turn, a row of x (n, d): what is predicted, without marks, and how like it is to what was taught."""
    head = classifier.head
    proba = probabilities(head, x)
    platform = platforms.opinion(classifier, proba, turns)
    undecided = uncertainty(whose, proba, platform.column, platform.confidence)
    columns, best = best_two(proba)
    ids = np.where(columns >= 0, head.intent_ids[columns], NONE)
    outside = out_of_scope(head, x)
    arrays = (decide(head, x), ids, best, outside, in_scope(undecided, outside), familiarity(head, x))
    rows = zip(*(array.tolist() for array in arrays), platform.said, strict=True)
    for decided, (first, second), (p1, p2), is_out, doubt, likeness, confidence in rows:
        intent_id = None if decided == NONE else decided
        plain = Assessment(intent_id, first, second or None, p1, p2, is_out, doubt, whose=whose, confidence=confidence)
        yield plain, likeness


def _audit(bot: Bot, turn: TurnLike, keyring: Keyring) -> Mark | None:
    """Drawn by hash, before anything is known of the turn: all have the same chance, a repeat the same fate."""
    fraction = keyring.fraction("audit", bot.name, turn.source, turn.external_id)
    return Mark("audit", fraction, rate=bot.audit_rate) if fraction < bot.audit_rate else None


def _boundary(plain: Assessment) -> Mark | None:
    """On the fence by the uncertainty that ranks, or by ours: a platform that is sure of everything shall not empty the
    queue."""
    ours = (1 - (plain.p1 - plain.p2)) * (1 - plain.out_of_scope)
    on_fence = plain.uncertainty >= BOUNDARY[plain.whose] or ours >= BOUNDARY["ours"]
    return Mark("boundary", plain.uncertainty) if on_fence else None


def _unfamiliar(plain: Assessment, likeness: float) -> Mark | None:
    """Far from what the classifier was taught: the gate says so, or, as long as it learns, the cosine with the nearest
    intent."""
    if plain.intent_id is None:
        return Mark("unfamiliar", plain.out_of_scope)
    return Mark("unfamiliar", 1 - likeness) if likeness < UNLIKE else None


def _disagreement(classifier: Classifier, plain: Assessment, turn: TurnLike) -> Mark | None:
    """The platform says another intent than we do, and both are sure. An intent that we do not know says nothing."""
    if plain.confidence is None:
        return None
    theirs = platforms.intent_named(classifier.platform, turn)
    certainty = min(plain.confidence, plain.out_of_scope if plain.intent_id is None else plain.p1)
    return Mark("disagreement", certainty) if theirs != plain.intent_id and certainty >= CONFIDENT else None


def _entity_boundary(seen: Look | None) -> Mark | None:
    return Mark("entity_boundary", seen.ambiguity) if seen and seen.ambiguity >= ENTITY_BOUNDARY else None


def _entity_disagreement(seen: Look | None) -> Mark | None:
    """The platform sees other entities than the tagger does (workers/tagging.py says which count), and the tagger is
    sure."""
    return Mark("disagreement", seen.probability) if seen and seen.differs and seen.probability >= SURE else None


def rescore(context: Context, encoder: Encoder, bot: str) -> None:
    """Show the champion the turns it has not assessed by the bot's choice of uncertainty: those of the window, and the
    candidates that wait."""
    record, classifier, since = _read(context, bot)
    if classifier is None:
        return
    scored, after = 0, 0
    while turns := _chunk(context, record, classifier, after=after, since=since):
        after, scored = turns[-1], scored + len(turns)
    if scored:
        log.info("turns.rescored", bot=bot, n=classifier.n, turns=scored)
        refresh_reports(context, encoder, bot)
        jobs.enqueue(context.queue, Job.RANK, bot)


def _read(context: Context, bot: str) -> tuple[Bot, Classifier | None, datetime | None]:
    with database.reading(context.engine) as connection:
        newest = candidates.newest_at(connection, bot)
        return get_bot(connection, bot), classifiers.champion(connection, bot), newest and newest - WINDOW


def _chunk(context: Context, bot: Bot, classifier: Classifier, *, after: int, since: datetime | None) -> list[int]:
    """Assess and store the next turns; their ids, none when all are done, or another champion or choice is in force."""
    n = classifier.n
    with database.reading(context.engine) as connection:
        turns, vectors = assessments.unassessed(
            connection, bot.name, n, classifier.encoder, whose=bot.uncertainty, after=after, since=since, limit=CHUNK
        )
    assessed = dict(
        zip((turn.id for turn in turns), assess(classifier, bot, vectors, turns, context.keyring), strict=True)
    )
    with database.writing(context.engine) as connection:
        latest = get_bot(connection, bot.name)
        if (latest.champion, latest.uncertainty) != (n, bot.uncertainty):
            return []
        kept = {turn_id: one for turn_id, one in assessed.items() if one}
        store_assessments(connection, bot.name, n, kept, clock.now())
    return [turn.id for turn in turns]


def refresh_reports(context: Context, encoder: Encoder, bot: str) -> None:
    """Bring up to date what reports say: marks and uncertainty of reported turns, error pressure around them."""
    with database.reading(context.engine) as connection:
        whose, classifier = get_bot(connection, bot).uncertainty, classifiers.champion(connection, bot)
        if classifier is None:
            return
        found = evidence(connection, bot)
        names = intent_ids(connection, bot)
    reported = found.turn_ids[found.belief >= ENOUGH]
    for part in _parts(reported):
        _believe(context, classifier, whose, found, part, names)
    with database.reading(context.engine) as connection:
        marked = np.array(assessments.marked_reported(connection, bot), np.int64)
    for part in _parts(np.setdiff1d(marked, reported)):
        with database.writing(context.engine) as connection:
            assessments.drop_reported(connection, bot, part.tolist())
    surroundings.refresh_pressure(context, encoder, bot, found, reported)


def _parts(ids: Ints1d) -> Iterator[Ints1d]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _believe(
    context: Context, classifier: Classifier, whose: Whose, found: Evidence, reported: Ints1d, names: Mapping[str, int]
) -> None:
    bot = classifier.bot
    with database.reading(context.engine) as connection:
        turns = assessments.reported_turns(connection, bot, reported.tolist())
        turn_ids, x = candidates.vectors_of(connection, turns, classifier.encoder)
    if not len(turn_ids) or not len(classifier.head.intent_ids):
        return
    rows = np.searchsorted(found.turn_ids, turn_ids)
    answers = [(found.answered[row], turns[turn_id]) for row, turn_id in zip(rows, turn_ids.tolist(), strict=True)]
    answered = np.array([_column(classifier, names, *answer) for answer in answers])
    q = found.belief[rows]
    uncertain = _uncertain(classifier, whose, x, [turn for _, turn in answers], answered, q)
    rates = [_review_rate(bot, turns[turn_id], context.keyring) for turn_id in turn_ids.tolist()]
    believed = map(Believed, q.tolist(), uncertain.tolist(), rates)
    with database.writing(context.engine) as connection:
        assessments.store_reported(
            connection, bot, classifier.n, dict(zip(turn_ids.tolist(), believed, strict=True)), clock.now()
        )


def _uncertain(
    classifier: Classifier, whose: Whose, x: Floats2d, turns: Sequence[ReportedTurn], answered: Ints1d, q: Floats1d
) -> Floats1d:
    """(n,) of reported turns, the reports believed."""
    proba = probabilities(classifier.head, x)
    platform = platforms.opinion(classifier, proba, turns)
    doubt = (whose, proba, platform.column, platform.confidence)
    answered = np.where(answered == UNSAID, proba.argmax(axis=1), answered)
    return reported_uncertainty(uncertainty(*doubt), doubted(*doubt), answered, q, out_of_scope(classifier.head, x))


def _review_rate(bot: str, turn: ReportedTurn, keyring: Keyring) -> float | None:
    """Drawn by hash, like the audit slice: whatever is thought of the reports, a tenth of the turns is asked about."""
    return REVIEWED if keyring.fraction("review", bot, turn.source, turn.external_id) < REVIEWED else None


UNKNOWN, UNSAID = -1, -2


def _column(classifier: Classifier, names: Mapping[str, int], answered: str, turn: ReportedTurn) -> int:
    """Column of what the bot answered. UNKNOWN: nothing the classifier knows; UNSAID: the platform did not say, so we
    take it that the bot answered as the champion would."""
    if turn.is_fallback and answered == turn.bot_intent:
        return UNKNOWN
    if not answered:
        return UNSAID
    found = np.flatnonzero(classifier.head.intent_ids == names.get(answered, NONE))
    return int(found[0]) if len(found) else UNKNOWN
