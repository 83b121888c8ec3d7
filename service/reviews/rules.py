"""Who gets which card, what a vote does, and how votes become labels."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from service import clock, database, tables
from service.access import audit
from service.bots.store import get_bot, live_bot
from service.context import Context
from service.errors import BadInput, CardClosed, Conflict
from service.intents.store import intent_ids, list_intents
from service.jobs import Job, enqueue
from service.reviews import labels, store
from service.reviews.schemas import Card, CardStatus, Purpose, Span, Standing, StoredVote, Surface, Vote, VoteResult

AUDIT_EVERY = 5  # until the audit slice has AUDIT_ENOUGH answers every fifth card is one, then every tenth
AUDIT_EVERY_LATER = 10
AUDIT_ENOUGH = 200
CARDS_AT_ONCE = 20
RESOLVE_CHUNK = 10  # cards a transaction
MIN_NEW_LABELS = 20
NEW_LABELS_SHARE = 10  # a tenth of the labels


def claim_cards(
    connection: sa.Connection, bot: str, reviewer: str, now: datetime, *, count: int = 1, adjudicates: bool = False
) -> list[Card]:
    """The next cards for this reviewer, kept from other people for ten minutes: first those on their screen already,
    then flips, then the rest by priority with the audit slice mixed in. Never one they have answered."""
    live_bot(connection, bot)
    statuses: list[CardStatus] = ["open", "adjudicate"] if adjudicates else ["open"]
    cards = store.claimed_cards(connection, bot, reviewer, statuses, now)[:count]
    for card in cards:
        store.renew_claim(connection, card.id, reviewer, now)
    answered = {purpose: store.count_resolved(connection, bot, purpose) for purpose in ("audit", "rank")}
    while len(cards) < count:
        held = [card.id for card in cards]
        order = _order({name: n + sum(card.purpose == name for card in cards) for name, n in answered.items()})
        claimed = (store.claim_free(connection, bot, purpose, reviewer, statuses, now, but=held) for purpose in order)
        found = next(filter(None, claimed), None)
        if found is None:
            break
        cards.append(found)
    return cards


def _order(dealt: dict[str, int]) -> tuple[Purpose, ...]:
    return ("flip", "audit", "rank") if wants_audit(dealt["audit"], dealt["rank"]) else ("flip", "rank", "audit")


def wants_audit(audits: int, ranks: int) -> bool:
    """Whether the next card should be of the audit slice, after so many of each.

    >>> [wants_audit(0, 3), wants_audit(0, 4), wants_audit(1, 4), wants_audit(200, 1000)]
    [False, True, False, False]
    """
    every = AUDIT_EVERY if audits < AUDIT_ENOUGH else AUDIT_EVERY_LATER
    return every * (audits + 1) <= audits + ranks + 1


class _Checked(NamedTuple):
    """A vote's names as ids."""

    intent_id: int | None = None
    second_id: int | None = None
    proposed: str = ""
    spans: tuple[Span, ...] | None = None


def vote(
    connection: sa.Connection,
    bot: str,
    card_id: str,
    reviewer: str,
    answer: Vote,
    now: datetime,
    *,
    surface: Surface = "api",
    adjudicates: bool = False,
) -> VoteResult:
    """One short write. A known click answers as it did; a later vote of the same reviewer corrects the earlier one;
    CardClosed when somebody else resolved the card."""
    live_bot(connection, bot)
    if known := store.vote_of_click(connection, bot, answer.click_id):
        return _repeated(connection, bot, known, card_id, reviewer)
    card = store.lock_card(connection, bot, card_id)
    checked = _check(connection, card, answer)
    _check_open(card, store.votes_of(connection, card_id), reviewer, answer, adjudicates=adjudicates)
    vote_id = store.add_vote(
        connection,
        card,
        reviewer,
        answer=answer.answer,
        surface=surface,
        click_id=answer.click_id,
        now=now,
        **checked._asdict(),
    )
    if vote_id is None:  # the same click came twice at once, and the other one was first
        known = store.vote_of_click(connection, bot, answer.click_id)
        return _repeated(connection, bot, known, card_id, reviewer)
    if answer.answer == "new":
        audit.record(connection, bot, "intent.propose", now, reviewer, card=card_id, vote=vote_id)
    return _after(connection, card, reviewer, answer, vote_id, now)


def _repeated(connection: sa.Connection, bot: str, known: StoredVote | None, card_id: str, reviewer: str) -> VoteResult:
    if known is None or (known.card_id, known.reviewer) != (card_id, reviewer):
        raise Conflict("this click_id belongs to another vote", path="click_id", hint="make a new one for each click")
    return VoteResult(known.id, card_id, store.get_card(connection, bot, card_id).status)


def _after(
    connection: sa.Connection, card: Card, reviewer: str, answer: Vote, vote_id: int, now: datetime
) -> VoteResult:
    status = standing(card, store.votes_of(connection, card.id)).status
    store.set_status(connection, card.id, status, now)
    if answer.answer == "undo":
        store.renew_claim(connection, card.id, reviewer, now)
    else:
        store.drop_claim(connection, card.id, reviewer)
    return VoteResult(vote_id, card.id, status)


def _check_open(card: Card, votes: Sequence[StoredVote], reviewer: str, answer: Vote, *, adjudicates: bool) -> None:
    """A reviewer may correct the answer that counts; else the card must still want one of theirs."""
    mine = next((vote for vote in active(votes) if vote.reviewer == reviewer), None)
    is_correction = mine is not None and (card.status != "resolved" or mine.answer != "unsure")
    if is_correction and card.status != "withdrawn":
        return
    if mine is None and answer.answer == "undo":
        raise Conflict(f"there is no vote of {reviewer} on card {card.id} to undo")
    if card.status == "adjudicate" and not adjudicates:
        raise CardClosed(card.id, "a reviewer who was unsure: an adjudicator decides")
    if card.status in ("resolved", "withdrawn"):
        raise CardClosed(card.id, _closed_by(card, votes))


def _closed_by(card: Card, votes: Sequence[StoredVote]) -> str:
    decided = standing(card, votes).vote
    return "withdrawal" if decided is None else decided.reviewer


def _check(connection: sa.Connection, card: Card, answer: Vote) -> _Checked:
    """BadInput names the field that is missing or wrong."""
    spans = None if answer.spans is None else _check_spans(connection, card, answer.spans)
    match answer.answer:
        case "intent":
            return _Checked(_intent(connection, card.bot, answer.intent, "intent"), spans=spans)
        case "two":
            first = _intent(connection, card.bot, answer.intent, "intent")
            second = _intent(connection, card.bot, answer.second, "second")
            if first == second:
                raise BadInput("the two intents are one", path="second")
            return _Checked(first, second, spans=spans)
        case "new":
            return _Checked(proposed=_proposed(answer.proposed), spans=spans)
        case _:
            return _Checked(spans=spans)


def _intent(connection: sa.Connection, bot: str, name: str | None, path: str) -> int:
    if not name:
        raise BadInput("an intent's name is missing", path=path)
    intent_id = intent_ids(connection, bot).get(name)
    if intent_id is None or intent_id not in {intent.id for intent in list_intents(connection, bot)}:
        raise BadInput(f"bot {bot!r} has no intent {name!r}, or it is archived", path=path)
    return intent_id


def _proposed(name: str | None) -> str:
    if not (name and name.strip()):
        raise BadInput("the proposed intent's name is missing", path="proposed")
    return " ".join(name.split())


def _check_spans(connection: sa.Connection, card: Card, spans: Sequence[Span]) -> tuple[Span, ...]:
    content = tables.turn_content
    text = connection.scalar(sa.select(content.c.text).where(content.c.turn_id == card.turn_id)) or ""
    for index, span in enumerate(spans):
        if not 0 <= span.start < span.end <= len(text) or not span.type:
            raise BadInput(f"no such span in a text of {len(text)} characters", path=f"spans[{index}]")
    return tuple(spans)


def active(votes: Sequence[StoredVote]) -> list[StoredVote]:
    """The newest vote of each reviewer, undone ones left out, oldest first."""
    newest = {vote.reviewer: vote for vote in sorted(votes, key=lambda vote: vote.id)}
    return sorted((vote for vote in newest.values() if vote.answer != "undo"), key=lambda vote: vote.id)


def standing(card: Card, votes: Sequence[StoredVote]) -> Standing:
    """A card is resolved once it has the votes it wants; of several the most frequent answer decides, a tie goes to
    an adjudicator. An unsure vote leaves the card to others, a blind card to an adjudicator."""
    if card.status == "withdrawn":
        return Standing("withdrawn")
    counting = active(votes)
    sure = [vote for vote in counting if vote.answer != "unsure"]
    if len(sure) >= card.overlap and (decisive := _decisive(sure)) is not None:
        return Standing("resolved", decisive)
    is_split = len(sure) >= card.overlap
    is_unsure = len(sure) < len(counting)
    return Standing("adjudicate" if is_split or (card.is_blind and is_unsure) else "open")


def _decisive(votes: Sequence[StoredVote]) -> StoredVote | None:
    """The newest vote for the most frequent answer; None on a tie."""
    groups: dict[tuple[object, ...], list[StoredVote]] = {}
    for vote in votes:
        groups.setdefault((vote.answer, vote.intent_id, vote.second_id, vote.proposed), []).append(vote)
    ranked = sorted(groups.values(), key=len, reverse=True)
    is_tie = len(ranked) > 1 and len(ranked[0]) == len(ranked[1])
    return None if is_tie else ranked[0][-1]


class Resolved(NamedTuple):
    """One transaction's work: cards looked at, labels added, and whether a flip was among them."""

    cards: int
    labels: list[int]
    has_flip: bool


def resolve(connection: sa.Connection, bot: str, now: datetime, *, limit: int = RESOLVE_CHUNK) -> Resolved:
    """Votes to labels, for some of the cards whose votes the labels do not know yet. Repeating it changes nothing."""
    cards = store.lock_unsettled(connection, bot, limit)
    added = [label for card in cards for label in _resolve_card(connection, card, now)]
    store.set_settled(connection, [card.id for card in cards])
    return Resolved(len(cards), added, any(card.purpose == "flip" for card in cards))


def _resolve_card(connection: sa.Connection, card: Card, now: datetime) -> list[int]:
    votes = store.votes_of(connection, card.id)
    if not votes:
        return []
    decided = standing(card, votes).vote
    says = decided if decided is not None and decided.answer in ("intent", "none", "two") else None
    added = labels.settle(connection, card, says, votes[-1], now)
    if card.purpose == "rank":
        labels.set_candidates(connection, [card.turn_id], is_labelled=decided is not None)
    return added


def resolve_votes(context: Context, bot: str) -> list[int]:
    """Resolve everything that waits, then ask for what follows from it: a gate, a training, new cards. The new
    labels' ids."""
    added: list[int] = []
    has_flip = False
    while True:
        with database.writing(context.engine) as connection:
            done = resolve(connection, bot, clock.now())
        added += done.labels
        has_flip |= done.has_flip
        if not done.cards:
            break
    for job in _follow_ups(context.engine, bot, has_flip=has_flip):
        enqueue(context.queue, job, bot)
    return added


def _follow_ups(engine: sa.Engine, bot: str, *, has_flip: bool) -> list[Job]:
    with database.reading(engine) as connection:
        found = get_bot(connection, bot)
        if found.archived_at is not None:
            return []
        asked = {
            Job.GATE: has_flip,
            Job.TRAIN: wants_training(connection, bot),
            Job.RANK: store.count_waiting(connection, bot) < found.low_water,
        }
    return [job for job, is_wanted in asked.items() if is_wanted]


def wants_training(connection: sa.Connection, bot: str) -> bool:
    """Enough labels came since the newest classifier was trained: twenty, or a tenth of all when that is more; before
    the first classifier any will do."""
    total, known = labels.count_since(connection, bot, 0), _last_trained(connection, bot)
    if known is None:
        return total > 0
    return labels.count_since(connection, bot, known) >= max(MIN_NEW_LABELS, total // NEW_LABELS_SHARE)


def _last_trained(connection: sa.Connection, bot: str) -> int | None:
    """The newest label the newest classifier knew; None before the first classifier."""
    table = tables.classifier
    newest = sa.select(table.c.manifest).where(table.c.bot == bot).order_by(table.c.n.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else row.manifest.get("last_label_id") or 0
