"""What is measured of each intent, from what is stored: a bounded number of labels, votes, turns and reports."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import tables
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.boundary import advice, disagreement, recent
from service.boundary.advice import BEHIND, FEW, Measures
from service.boundary.labelled import newest_of_all
from service.boundary.recent import Between
from service.boundary.schemas import IntentAdvice, IntentsAdvice, Side
from service.classifiers import store as classifiers
from service.classifiers.metrics import Over
from service.encoding import unpack
from service.intents.store import list_intents
from service.learning import left_out
from service.learning.stopping import Estimate, wilson
from service.learning.types import Ints1d
from service.reports.store import reported_among
from service.reviews import labels
from service.reviews.labels import test_answers

LABELS = 2_400  # newest ones looked at, of all intents,
EACH = 15  # but of each so many at least
AUDITED = 20  # answers of an intent from which on they say its recall, and its labels no longer
PROPOSALS = 50
PREDICTION, PROPOSAL, MEMBER = tables.prediction, tables.proposal, tables.proposal_turn
VECTOR = tables.vector


class Held(NamedTuple):
    """What an intent's labels say when each is held against all others."""

    labels: int
    right: int  # that the others tell
    supported: float  # share of their nearest others that have the intent, beyond chance
    rival: int | None  # the intent that the others say most often instead


class Recall(NamedTuple):
    right: int
    n: int
    over: Over

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.right / self.n, *wilson(self.right / self.n, self.n))


class Looked(NamedTuple):
    """What was measured of every intent that is offered, and what is advised of the weak ones."""

    measures: Mapping[int, Measures]
    advice: IntentsAdvice


def intents_advice(connection: sa.Connection, name: str) -> IntentsAdvice:
    """BotNotFound."""
    return look(connection, name).advice


def look(connection: sa.Connection, name: str) -> Looked:
    """BotNotFound."""
    bot = get_bot(connection, name)
    if bot.champion is None:
        return Looked({}, IntentsAdvice(n=None, goal=bot.target or 0.0, usual_reports=0.0, intents=()))
    names = {intent.id: intent.name for intent in list_intents(connection, name)}
    held = held_labels(connection, bot, list(names))
    found = measure(connection, bot, names, held)
    weak = [_advice(names, one, of, held.get(one)) for one, of in found.items() if advice.weakness(of)]
    any_of = next(iter(found.values()), None)
    advised = IntentsAdvice(
        n=bot.champion,
        goal=any_of.goal if any_of else 0.0,
        usual_reports=any_of.usual_reports if any_of else 0.0,
        intents=tuple(sorted(weak, key=lambda one: (_recall(found[one.id]), one.name))),
    )
    return Looked(found, advised)


def _recall(of: Measures) -> float:
    return of.recall.estimate if of.recall else 0.0


def _advice(names: Mapping[int, str], one: int, of: Measures, held: Held | None) -> IntentAdvice:
    said, weak = advice.verdict(of), advice.weakness(of)
    rival = held.rival if held else None
    return IntentAdvice(
        id=one,
        name=names[one],
        weak=weak or "recall",
        verdict=said,
        labels=advice.labels_wanted(of) if said == "label" else None,
        rival=Side(rival, names[rival]) if rival is not None and rival in names else None,
        measured=advice.measured(of),
    )


def measure(
    connection: sa.Connection, bot: Bot, names: Mapping[int, str], held: Mapping[int, Held]
) -> dict[int, Measures]:
    """Of each intent that is offered."""
    turns = recent.newest(connection, bot.name, bot.champion)
    recalls, votes = _recalls(connection, bot, held), disagreement.votes(connection, bot.name)
    alphas, said = votes.alphas(), votes.on
    decided, complained = _reported(connection, turns)
    contradicted, near = _contradicted(connection, bot.name), _proposals(connection, bot)
    goal = _goal(bot, recalls)
    usual = sum(complained.values()) / max(sum(decided.values()), 1)
    return {
        one: Measures(
            labels=held[one].labels if one in held else 0,
            recall=recalls[one].estimate if one in recalls else None,
            recall_of=recalls[one].n if one in recalls else 0,
            recall_over=recalls[one].over if one in recalls else "labels",
            alpha=alphas.get(one),
            cards=said[one],
            contradicted=contradicted[one],
            supported=held[one].supported if one in held else None,
            decided=decided[one],
            reported=complained[one],
            proposals=near[one],
            goal=goal,
            usual_reports=usual,
        )
        for one in names
    }


def _goal(bot: Bot, recalls: Mapping[int, Recall]) -> float:
    """The owner's target; without one, somewhat below the recall of the bot's median intent."""
    if bot.target is not None:
        return bot.target
    known = [recall.estimate.estimate for recall in recalls.values()]
    return max(0.0, float(np.median(known)) - BEHIND) if known else 0.0


def held_labels(connection: sa.Connection, bot: Bot, intents: Sequence[int]) -> dict[int, Held]:
    """Of each intent with a label. They are of the log's hardest turns, so the recall is rather too low than too
    high."""
    given = newest_of_all(connection, bot.name, intents, max(EACH, LABELS // max(len(intents), 1)))
    encoder = classifiers.manifest(connection, bot.name, bot.champion or 0).encoder
    by_turn = {label.turn_id: label.intent_id or 0 for label in given}
    vectors = _vectors(connection, sorted(by_turn), encoder)
    if len(vectors) <= left_out.NEAREST:
        return {}
    return _held(tuple(by_turn[turn_id] for turn_id in vectors), b"".join(vectors.values()))


def _vectors(connection: sa.Connection, turn_ids: Sequence[int], encoder: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(turn_ids), 1000):
        some = (VECTOR.c.turn_id.in_(turn_ids[start : start + 1000]), VECTOR.c.encoder == encoder)
        query = sa.select(VECTOR.c.turn_id, VECTOR.c.data).where(*some).order_by(VECTOR.c.turn_id)
        found |= {row.turn_id: row.data for row in connection.execute(query)}
    return found


@lru_cache(maxsize=32)
def _held(labels: tuple[int, ...], vectors: bytes) -> dict[int, Held]:
    """Kept for as long as the labels are the same."""
    size = len(vectors) // len(labels)
    x = unpack([vectors[start : start + size] for start in range(0, len(vectors), size)])
    intents, y = np.unique(labels, return_inverse=True)
    said, supported = left_out.answers(x, y), left_out.supported(x, y)
    return {
        int(intent): Held(
            int((y == k).sum()),
            int((said[y == k] == k).sum()),
            left_out.beyond_chance(float(supported[y == k].mean()), int((y == k).sum()), len(y)),
            _rival(intents, said[(y == k) & (said != k)]),
        )
        for k, intent in enumerate(intents)
    }


def _rival(intents: Ints1d, wrong: Ints1d) -> int | None:
    return int(intents[np.bincount(wrong).argmax()]) if len(wrong) else None


def _recalls(connection: sa.Connection, bot: Bot, held: Mapping[int, Held]) -> dict[int, Recall]:
    """From answers to turns drawn at random and the gold set where there are enough, else from labels."""
    by_labels = {one: Recall(of.right, of.labels, "labels") for one, of in held.items() if of.labels >= FEW}
    answered = {one: recall for one, recall in _answered(connection, bot).items() if recall.n >= AUDITED}
    return by_labels | answered


def _answered(connection: sa.Connection, bot: Bot) -> dict[int, Recall]:
    """What the champion makes of turns that are no more than one intent."""
    right = {turn_id: said[0] for turn_id, said in test_answers(connection, bot.name).items() if len(said) == 1}
    decided, counts_for = _decided(connection, bot, sorted(right)), labels.counts_for(connection, bot.name)
    found: defaultdict[int, list[bool]] = defaultdict(list)
    for turn_id, intent_id in decided.items():
        if (meant := right[turn_id]) is not None:
            found[meant].append(counts_for.get(intent_id) == meant)
    return {one: Recall(sum(is_right), len(is_right), "tests") for one, is_right in found.items()}


def _decided(connection: sa.Connection, bot: Bot, turn_ids: Sequence[int]) -> dict[int, int | None]:
    c, found = PREDICTION.c, dict[int, int | None]()
    for start in range(0, len(turn_ids), 1000):
        some = (c.turn_id.in_(turn_ids[start : start + 1000]), c.n == bot.champion)
        found |= {
            row.turn_id: row.intent_id for row in connection.execute(sa.select(c.turn_id, c.intent_id).where(*some))
        }
    return found


def _reported(connection: sa.Connection, turns: Sequence[Between]) -> tuple[Counter[int], Counter[int]]:
    """Turns by the intent they are decided for, and those of them that are reported."""
    reports = reported_among(connection, [turn.turn_id for turn in turns])
    decided = Counter(turn.intent_id for turn in turns if turn.intent_id is not None)
    return decided, Counter(t.intent_id for t in turns if t.intent_id is not None and t.turn_id in reports)


def _contradicted(connection: sa.Connection, bot: str) -> Counter[int]:
    """Labels of each intent that another one contradicts."""
    found = disagreement.contradictions(connection, bot).values()
    turns = {(label.intent_id or 0, label.turn_id) for pairs in found for pair in pairs for label in pair}
    return Counter(intent_id for intent_id, _ in turns)


def _proposals(connection: sa.Connection, bot: Bot) -> Counter[int]:
    """Open proposals by the intent that the champion takes most of their turns for."""
    is_open = (PROPOSAL.c.bot == bot.name, PROPOSAL.c.status == "open")
    newest = sa.select(PROPOSAL.c.id).where(*is_open).order_by(PROPOSAL.c.id.desc()).limit(PROPOSALS)
    query = (
        sa.select(MEMBER.c.proposal_id, PREDICTION.c.best_id)
        .join(PREDICTION, (PREDICTION.c.turn_id == MEMBER.c.turn_id) & (PREDICTION.c.n == bot.champion))
        .where(MEMBER.c.proposal_id.in_(list(connection.scalars(newest))))
    )
    counts_for, votes = labels.counts_for(connection, bot.name), defaultdict[int, Counter[int]](Counter)
    for proposal_id, best_id in connection.execute(query):
        if best_id in counts_for:
            votes[proposal_id][counts_for[best_id]] += 1
    return Counter(found.most_common(1)[0][0] for found in votes.values())
