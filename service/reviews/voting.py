"""What a vote does."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError

from service import clock, database, tables
from service.access import audit
from service.access.roles import Principal, allows
from service.bots.redacting import redacted_for
from service.bots.store import live_bot
from service.context import Context
from service.errors import BadInput, CardClosed, Conflict
from service.intents.store import intent_ids, list_intents
from service.jobs import Job, enqueue
from service.reviews import remarks, store
from service.reviews.policies import active, adjudication, standing
from service.reviews.schemas import Card, Reviewer, Span, StoredVote, Surface, Vote, VoteResult

log = structlog.get_logger()


def reviewer_of(principal: Principal, bot: str) -> Reviewer:
    return Reviewer(principal.name, adjudicates=allows(principal, "adjudicator", bot))


def cast(context: Context, bot: str, card_id: str, reviewer: Reviewer, answer: Vote, *, surface: Surface) -> VoteResult:
    """Vote, and ask for the labels. The vote stands once it is committed, whether or not Redis can be asked."""
    answer = msgspec.structs.replace(answer, why=redacted_why(context.engine, bot, answer.why))
    with database.writing(context.engine) as connection:
        result = vote(connection, bot, card_id, reviewer, answer, clock.now(), surface=surface)
    ask_to_resolve(context, bot)
    return result


def redacted_why(engine: sa.Engine, bot: str, why: str) -> str:
    """A vote's reason as it may be stored."""
    if "\0" in why:
        raise BadInput("the reason has a NUL", path="why")
    return redacted_for(engine, bot, why.strip(), "why") if why else ""


def ask_to_resolve(context: Context, bot: str) -> None:
    try:
        enqueue(context.queue, Job.RESOLVE, bot)
    except RedisError as error:  # the schedule asks again; the vote is safe
        log.warning("resolve.not_asked", bot=bot, error=str(error))


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
    reviewer: Reviewer,
    answer: Vote,
    now: datetime,
    *,
    surface: Surface,
) -> VoteResult:
    """One short write. A known click answers as it did; a later vote of the same reviewer corrects the earlier one;
    CardClosed when somebody else resolved the card. `answer.why` is redacted already: see `redacted_why`."""
    live_bot(connection, bot)
    card = store.lock_card(connection, bot, card_id)
    if known := store.vote_of_click(connection, bot, answer.click_id):
        return _repeated(card, known, reviewer)
    checked = _check(connection, card, answer)
    votes = store.votes_of(connection, card_id)
    _check_open(card, votes, reviewer, answer)
    vote_id = store.add_vote(
        connection,
        card,
        reviewer.name,
        answer=answer.answer,
        surface=surface,
        click_id=answer.click_id,
        is_adjudication=_adjudicates(card, votes, reviewer),
        now=now,
        **checked._asdict(),
    )
    if vote_id is None:  # a vote on another card took the click_id just now
        raise _click_taken()
    if answer.answer == "new":
        remarks.keep(connection, card.turn_id, answer.why, vote_id=vote_id)
        audit.record(connection, bot, "intent.propose", now, reviewer.name, card=card_id, vote=vote_id)
    return _after(connection, card, reviewer.name, answer, vote_id, now)


def overrule(
    connection: sa.Connection, card: Card, who: str, answer: Vote, now: datetime, *, surface: Surface
) -> VoteResult:
    """An adjudicator's answer to a card that nobody needs to be asked about any more."""
    checked = _check(connection, card, answer)
    vote_id = store.add_vote(
        connection,
        card,
        who,
        answer=answer.answer,
        surface=surface,
        click_id=answer.click_id,
        is_adjudication=True,
        now=now,
        **checked._asdict(),
    )
    if vote_id is None:
        raise _click_taken()
    return _after(connection, card, who, answer, vote_id, now)


def _repeated(card: Card, known: StoredVote, reviewer: Reviewer) -> VoteResult:
    if (known.card_id, known.reviewer) != (card.id, reviewer.name):
        raise _click_taken()
    return VoteResult(known.id, card.id, card.status)


def _click_taken() -> Conflict:
    return Conflict("this click_id belongs to another vote", path="click_id", hint="make a new one for each click")


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


def _adjudicates(card: Card, votes: Sequence[StoredVote], reviewer: Reviewer) -> bool:
    """The vote decides a card that was put before an adjudicator, or corrects the one that did."""
    decided = adjudication(card, votes)
    if card.status == "adjudicate":
        return reviewer.adjudicates
    return decided is not None and decided.reviewer == reviewer.name


def _check_open(card: Card, votes: Sequence[StoredVote], reviewer: Reviewer, answer: Vote) -> None:
    """A reviewer may correct the answer that counts, until an adjudicator has decided otherwise or is asked to; else
    the card must still want one of theirs."""
    mine = _answer_that_counts(card, votes, reviewer)
    is_correction = mine is not None and (card.status != "resolved" or mine.answer != "unsure")
    if is_correction and card.status != "withdrawn":
        return
    if answer.answer == "undo" and reviewer.name not in {vote.reviewer for vote in active(votes)}:
        raise Conflict(f"there is no vote of {reviewer.name} on card {card.id} to undo")
    if card.status == "adjudicate" and not reviewer.adjudicates:
        raise CardClosed(card.id, "reviewers who were unsure or did not agree: an adjudicator decides")
    if card.status in ("resolved", "withdrawn"):
        raise CardClosed(card.id, _closed_by(card, votes))


def _answer_that_counts(card: Card, votes: Sequence[StoredVote], reviewer: Reviewer) -> StoredVote | None:
    """The reviewer's own: once an adjudicator decided, theirs alone; on a card that came back, those given since."""
    mine = [vote for vote in active(votes) if vote.reviewer == reviewer.name and vote.id > (card.returned_after or 0)]
    decided = adjudication(card, votes)
    return mine[0] if mine and (decided is None or decided.reviewer == reviewer.name) else None


def _closed_by(card: Card, votes: Sequence[StoredVote]) -> str:
    decided = standing(card, votes).vote
    return "withdrawal" if decided is None else decided.reviewer


def _check(connection: sa.Connection, card: Card, answer: Vote) -> _Checked:
    """BadInput names the field that is missing or wrong."""
    spans = None if answer.spans is None else _check_spans(connection, card, answer.spans)
    match answer.answer:
        case "intent":
            return _Checked(intent_named(connection, card.bot, answer.intent), spans=spans)
        case "two":
            first = intent_named(connection, card.bot, answer.intent)
            second = intent_named(connection, card.bot, answer.second, "second")
            if first == second:
                raise BadInput("the two intents are one", path="second")
            return _Checked(first, second, spans=spans)
        case "new":
            return _Checked(proposed=_proposed(answer.proposed), spans=spans)
        case _:
            return _Checked(spans=spans)


def intent_named(connection: sa.Connection, bot: str, name: str | None, path: str = "intent") -> int:
    """BadInput names the field unless it is an intent that the bot has now."""
    if not name:
        raise BadInput("an intent's name is missing", path=path)
    intent_id = intent_ids(connection, bot).get(name)
    if intent_id is None or intent_id not in {intent.id for intent in list_intents(connection, bot)}:
        raise BadInput(f"bot {bot!r} has no intent {name!r}, or it is archived", path=path)
    return intent_id


def _proposed(name: str | None) -> str:
    tidy = " ".join((name or "").split())
    if not tidy or not tidy.isprintable():
        raise BadInput("the proposed intent's name is missing, or not printable", path="proposed")
    return tidy


def _check_spans(connection: sa.Connection, card: Card, spans: Sequence[Span]) -> tuple[Span, ...]:
    content = tables.turn_content
    text = connection.scalar(sa.select(content.c.text).where(content.c.turn_id == card.turn_id)) or ""
    for index, span in enumerate(spans):
        if not 0 <= span.start < span.end <= len(text):
            raise BadInput(f"no such span in a text of {len(text)} characters", path=f"spans[{index}]")
    return tuple(spans)
