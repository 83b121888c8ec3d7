"""Cards, claims and votes in SQL. A card's row is locked before its votes are read or written, so two people at once
take turns."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.errors import CardNotFound
from service.reviews.schemas import Answer, Card, CardStatus, Purpose, Span, StoredVote, Surface

CARD, CLAIM, VOTE, CONTENT = tables.card, tables.claim, tables.vote, tables.turn_content
CHUNK = 500  # ids in one IN
LEASE = timedelta(minutes=10)  # how long a card on somebody's screen is kept from other people
_CARD_COLUMNS = [CARD.c[name] for name in Card.__struct_fields__]


def _card(row: sa.Row[Any]) -> Card:
    return Card(**row._mapping)


def get_card(connection: sa.Connection, bot: str, card_id: str) -> Card:
    return _one(connection, sa.select(*_CARD_COLUMNS), bot, card_id)


def lock_card(connection: sa.Connection, bot: str, card_id: str) -> Card:
    """The card, nobody else's until the transaction ends. SQLite has one writer at a time anyway."""
    return _one(connection, sa.select(*_CARD_COLUMNS).with_for_update(), bot, card_id)


def _one(connection: sa.Connection, query: sa.Select[Any], bot: str, card_id: str) -> Card:
    row = connection.execute(query.where(CARD.c.bot == bot, CARD.c.id == card_id)).one_or_none()
    if row is None:
        raise CardNotFound(card_id)
    return _card(row)


def set_status(connection: sa.Connection, card_id: str, status: CardStatus, now: datetime) -> None:
    """After a vote: the status, and that the labels are behind."""
    values = {"status": status, "is_settled": False, "resolved_at": now if status == "resolved" else None}
    connection.execute(sa.update(CARD).where(CARD.c.id == card_id).values(values))


def lock_unsettled(connection: sa.Connection, bot: str, limit: int) -> list[Card]:
    """Cards with votes that the labels do not know, locked; another resolve at work skips them."""
    query = (
        sa.select(*_CARD_COLUMNS)
        .where(CARD.c.bot == bot, CARD.c.is_settled.is_(False))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_card(row) for row in connection.execute(query)]


def set_settled(connection: sa.Connection, card_ids: Iterable[str]) -> None:
    connection.execute(sa.update(CARD).where(CARD.c.id.in_(list(card_ids))).values(is_settled=True))


def count_resolved(connection: sa.Connection, bot: str, purpose: Purpose) -> int:
    return _count(connection, CARD.c.bot == bot, CARD.c.status == "resolved", CARD.c.purpose == purpose)


def count_open(connection: sa.Connection, bot: str) -> int:
    return _count(connection, *_is_open(bot))


def count_undecided(connection: sa.Connection, bot: str) -> int:
    """Cards that wait for an adjudicator."""
    return _count(connection, CARD.c.bot == bot, CARD.c.status == "adjudicate", has_text())


def count_wanted(connection: sa.Connection, bot: str) -> int:
    """Votes that open cards still want."""
    is_open = _is_open(bot)
    asked = connection.scalar(sa.select(sa.func.sum(CARD.c.overlap)).where(*is_open)) or 0
    given = sa.select(sa.func.count()).select_from(VOTE).join(CARD, CARD.c.id == VOTE.c.card_id)
    return asked - (connection.scalar(given.where(*is_open, *_is_sure())) or 0)


def count_waiting(connection: sa.Connection, bot: str) -> int:
    """Rank cards nobody has looked at. Open cards somebody was unsure about are not counted: a team of one, unsure
    ten times, would never be dealt new ones."""
    looked_at = sa.exists().where(VOTE.c.card_id == CARD.c.id, VOTE.c.answer != "undo")
    return _count(connection, *_is_open(bot), CARD.c.purpose == "rank", ~looked_at)


def _is_open(bot: str) -> tuple[sa.ColumnElement[bool], ...]:
    """The card may still be answered: one whose turn was forgotten is open for ever, and holds up nothing."""
    return CARD.c.bot == bot, CARD.c.status == "open", has_text()


def _count(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(CARD).where(*where)) or 0


def lock_claims(connection: sa.Connection, bot: str, reviewer: str) -> None:
    """A reviewer's two tabs take turns until the transaction ends, or each would be dealt a card of its own. SQLite has
    one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"claims/{bot}/{reviewer}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def claimed_cards(
    connection: sa.Connection, bot: str, reviewer: str, statuses: Sequence[CardStatus], now: datetime
) -> list[Card]:
    """Cards on this reviewer's screen that still want their answer: what they took back last first, then by claim."""
    taken_back = sa.select(sa.func.max(VOTE.c.id)).where(VOTE.c.card_id == CARD.c.id, VOTE.c.reviewer == reviewer)
    latest = sa.func.coalesce(taken_back.correlate(CARD).scalar_subquery(), 0)
    query = (
        sa.select(*_CARD_COLUMNS)
        .join(CLAIM, (CLAIM.c.card_id == CARD.c.id) & (CLAIM.c.reviewer == reviewer) & (CLAIM.c.until > now))
        .where(CARD.c.bot == bot, CARD.c.status.in_(statuses), ~_answered_by(reviewer), has_text())
        .order_by(latest.desc(), CLAIM.c.until, CARD.c.id)
    )
    return [_card(row) for row in connection.execute(query)]


def claim_free(
    connection: sa.Connection,
    bot: str,
    purpose: Purpose,
    reviewer: str,
    statuses: Sequence[CardStatus],
    now: datetime,
    *,
    but: Sequence[str] = (),
) -> Card | None:
    """Claim the first card of this purpose that the reviewer has not answered and nobody else has on screen."""
    wanted = (CARD.c.bot == bot, CARD.c.purpose == purpose, CARD.c.status.in_(statuses), CARD.c.id.not_in(but))
    free = _is_free(reviewer, now)
    query = (
        sa.select(*_CARD_COLUMNS)
        .where(*wanted, *free)
        .order_by(CARD.c.priority.desc(), CARD.c.created_at, CARD.c.id)
        .limit(1)
        .with_for_update(of=CARD, skip_locked=True)
    )
    while row := connection.execute(query).one_or_none():
        # Postgres: a claim that committed between the query's snapshot and the lock is seen only by a second look.
        if connection.scalar(sa.select(sa.func.count()).select_from(CARD).where(CARD.c.id == row.id, *free)):
            renew_claim(connection, row.id, reviewer, now)
            return _card(row)
    return None


def count_free(
    connection: sa.Connection, bot: str, reviewer: str, statuses: Sequence[CardStatus], now: datetime
) -> int:
    """Cards the reviewer has not answered and may claim, or has on screen."""
    return _count(connection, CARD.c.bot == bot, CARD.c.status.in_(statuses), *_is_free(reviewer, now))


def _is_free(reviewer: str, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return ~_answered_by(reviewer), _has_room(reviewer, now), has_text()


def text_of(connection: sa.Connection, bot: str, card_id: str) -> str:
    """The text of the card's turn; "" once it is forgotten."""
    query = sa.select(CONTENT.c.text).join(CARD, CARD.c.turn_id == CONTENT.c.turn_id)
    return connection.scalar(query.where(CARD.c.bot == bot, CARD.c.id == card_id)) or ""


def has_text() -> sa.ColumnElement[bool]:
    """The card's turn is not forgotten."""
    return sa.exists().where(CONTENT.c.turn_id == CARD.c.turn_id)


def _answered_by(reviewer: str) -> sa.ColumnElement[bool]:
    """The reviewer's newest vote on the card is an answer; after an undo they may be asked again, and when the card
    came back."""
    newest = (
        sa.select(VOTE.c.answer)
        .where(VOTE.c.card_id == CARD.c.id, VOTE.c.reviewer == reviewer)
        .where(VOTE.c.id > sa.func.coalesce(CARD.c.returned_after, 0))
        .order_by(VOTE.c.id.desc())
        .limit(1)
        .correlate(CARD)
        .scalar_subquery()
    )
    return sa.func.coalesce(newest, "undo") != "undo"


def _has_room(reviewer: str, now: datetime) -> sa.ColumnElement[bool]:
    """Other people's claims and deciding votes leave at least one of the votes the card wants;
    of an adjudicator, one."""
    claims = (
        sa.select(sa.func.count())
        .select_from(CLAIM)
        .where(CLAIM.c.card_id == CARD.c.id, CLAIM.c.reviewer != reviewer, CLAIM.c.until > now)
        .correlate(CARD)
        .scalar_subquery()
    )
    votes = (
        sa.select(sa.func.count())
        .select_from(VOTE)
        .where(VOTE.c.card_id == CARD.c.id, *_is_sure())
        .correlate(CARD)
        .scalar_subquery()
    )
    return sa.case((CARD.c.status == "adjudicate", claims < 1), else_=claims + votes < CARD.c.overlap)


def _is_sure() -> tuple[sa.ColumnElement[bool], ...]:
    """The vote counts towards what its card wants."""
    return VOTE.c.answer.not_in(("unsure", "undo")), ~_is_replaced()


def _is_replaced() -> sa.ColumnElement[bool]:
    """A newer vote of the same reviewer on the same card stands in its place."""
    later = VOTE.alias()
    return sa.exists().where(
        later.c.card_id == VOTE.c.card_id, later.c.reviewer == VOTE.c.reviewer, later.c.id > VOTE.c.id
    )


def renew_claim(connection: sa.Connection, card_id: str, reviewer: str, now: datetime) -> None:
    """Keep the card for the reviewer, from now on for a lease."""
    row = {"card_id": card_id, "reviewer": reviewer, "until": now + LEASE}
    if not database.insert_new(connection, CLAIM, [row]):
        mine = (CLAIM.c.card_id == card_id, CLAIM.c.reviewer == reviewer)
        connection.execute(sa.update(CLAIM).where(*mine).values(until=row["until"]))


def drop_claim(connection: sa.Connection, card_id: str, reviewer: str) -> None:
    connection.execute(sa.delete(CLAIM).where(CLAIM.c.card_id == card_id, CLAIM.c.reviewer == reviewer))


def votes_of(connection: sa.Connection, card_id: str) -> list[StoredVote]:
    """Every vote on the card, oldest first."""
    return _votes(connection, VOTE.c.card_id == card_id)


def answered_blind(connection: sa.Connection, bot: str, limit: int) -> list[Card]:
    """Blind cards with answers of two people at least, newest first."""
    answered = (
        sa.select(VOTE.c.card_id)
        .where(VOTE.c.bot == bot, *_is_sure())
        .group_by(VOTE.c.card_id)
        .having(sa.func.count() > 1)
    )
    query = sa.select(*_CARD_COLUMNS).where(CARD.c.bot == bot, CARD.c.is_blind, CARD.c.id.in_(answered))
    rows = connection.execute(query.order_by(CARD.c.created_at.desc(), CARD.c.id).limit(limit))
    return [_card(row) for row in rows]


def votes_of_cards(
    connection: sa.Connection, card_ids: Sequence[str], *, until: datetime | None = None
) -> dict[str, list[StoredVote]]:
    """Every vote on each of the cards, oldest first; those given until then."""
    found: dict[str, list[StoredVote]] = {card_id: [] for card_id in card_ids}
    is_given = () if until is None else (VOTE.c.at <= until,)
    for start in range(0, len(card_ids), CHUNK):
        for vote in _votes(connection, VOTE.c.card_id.in_(card_ids[start : start + CHUNK]), *is_given):
            found[vote.card_id].append(vote)
    return found


def unsettled_splits(connection: sa.Connection, bot: str) -> list[str]:
    """Cards on which people disagreed since the labels were last looked at, to be weighed."""
    is_split = (CARD.c.bot == bot, CARD.c.is_settled.is_(False), CARD.c.status == "adjudicate")
    return list(connection.scalars(sa.select(CARD.c.id).where(*is_split, CARD.c.policy == "dawid_skene")))


def set_weighed(connection: sa.Connection, card_id: str, vote_id: int, now: datetime) -> None:
    """Resolve the card by that vote."""
    connection.execute(sa.update(CARD).where(CARD.c.id == card_id).values(weighed_vote=vote_id))
    set_status(connection, card_id, "resolved", now)


def proposing(bot: str) -> sa.Select[tuple[str, str, str]]:
    """Votes for a new intent on resolved cards, oldest first: the name, the card, the reviewer."""
    query = sa.select(VOTE.c.proposed, VOTE.c.card_id, VOTE.c.reviewer).join(CARD, CARD.c.id == VOTE.c.card_id)
    is_new = (VOTE.c.bot == bot, VOTE.c.answer == "new", ~_is_replaced(), CARD.c.status == "resolved")
    return query.where(*is_new).order_by(VOTE.c.id)


def set_unsettled(connection: sa.Connection, card_ids: Iterable[str]) -> None:
    """Their votes may make labels now that they did not make before."""
    connection.execute(sa.update(CARD).where(CARD.c.id.in_(list(card_ids))).values(is_settled=False))


def vote_of_click(connection: sa.Connection, bot: str, click_id: str) -> StoredVote | None:
    return next(iter(_votes(connection, VOTE.c.bot == bot, VOTE.c.click_id == click_id)), None)


def _votes(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[StoredVote]:
    columns = [VOTE.c[name] for name in StoredVote.__struct_fields__]
    rows = connection.execute(sa.select(*columns).where(*where).order_by(VOTE.c.id))
    return [msgspec.convert(row, StoredVote, from_attributes=True) for row in rows]


def add_vote(
    connection: sa.Connection,
    card: Card,
    reviewer: str,
    *,
    answer: Answer,
    intent_id: int | None,
    second_id: int | None,
    proposed: str,
    spans: Sequence[Span] | None,
    surface: Surface,
    click_id: str,
    is_adjudication: bool,
    now: datetime,
) -> int | None:
    """The new vote's id; None when the click is known already."""
    row = {
        "bot": card.bot,
        "card_id": card.id,
        "reviewer": reviewer,
        "answer": answer,
        "intent_id": intent_id,
        "second_id": second_id,
        "proposed": proposed,
        "spans": None if spans is None else [list(span) for span in spans],
        "surface": surface,
        "is_adjudication": is_adjudication,
        "click_id": click_id,
        "at": now,
    }
    added = database.insert_new(connection, VOTE, [row])
    return added[0].id if added else None


def last_answered(connection: sa.Connection, bot: str, reviewer: str, since: datetime) -> str | None:
    """The card of the reviewer's newest vote that is not undone, for "back"."""
    query = (
        sa.select(VOTE.c.card_id)
        .where(
            VOTE.c.bot == bot, VOTE.c.reviewer == reviewer, VOTE.c.at >= since, VOTE.c.answer != "undo", ~_is_replaced()
        )
        .order_by(VOTE.c.id.desc())
        .limit(1)
    )
    return connection.scalar(query)


def count_votes(connection: sa.Connection, bot: str, reviewer: str, since: datetime) -> int:
    """Cards the reviewer answered since then; corrections count once, undone ones not."""
    query = (
        sa.select(sa.func.count())
        .select_from(VOTE)
        .where(
            VOTE.c.bot == bot, VOTE.c.reviewer == reviewer, VOTE.c.at >= since, VOTE.c.answer != "undo", ~_is_replaced()
        )
    )
    return connection.scalar(query) or 0
