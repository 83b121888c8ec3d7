"""Turns and replies in SQL: inserts that may repeat, and the reads that show a turn where it stood.

A turn's key stays taken when the person is forgotten: content lives in tables of its own, and every read here tells
"forgotten" from "never there".
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar, cast

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.errors import TurnNotFound
from service.turns import brought, tally, word_index
from service.turns.schemas import Entity, Fact, IntentScore, Reply, Report, Turn

TURN, CONTENT, VECTOR = tables.turn, tables.turn_content, tables.vector
REPLY, REPLY_CONTENT = tables.reply, tables.reply_content

CHUNK = 500  # ids in one IN

T = TypeVar("T")
ExternalKey = tuple[str, str]  # (source, external id), unique within a bot
FactKey = tuple[type, str]  # (kind, external id), unique within a source
Redaction = tuple[int, int, int, int, str]  # start, end, new start, new end, kind; characters


class Arrival(NamedTuple):
    """How a fact came in."""

    source: str
    delivery_id: str
    received_at: datetime


class NewTurn(NamedTuple):
    """A turn ready to be stored: redacted, the person hashed."""

    arrival: Arrival
    turn: Turn
    redactions: Sequence[Redaction]
    person: str
    text_key: bytes
    entity_signature: str

    @property
    def key(self) -> ExternalKey:
        return self.source, self.external_id

    @property
    def source(self) -> str:
        return self.arrival.source

    @property
    def external_id(self) -> str:
        return self.turn.external_id

    @property
    def is_slot_fill(self) -> bool:
        return self.turn.is_slot_fill

    @property
    def intents(self) -> tuple[IntentScore, ...]:
        return self.turn.intents

    @property
    def text(self) -> str:
        return self.turn.text

    @property
    def entities(self) -> tuple[Entity, ...]:
        return self.turn.entities


class NewReply(NamedTuple):
    """A reply ready to be stored: redacted."""

    arrival: Arrival
    reply: Reply


class StoredTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn with its content; of a forgotten one `text` is None and the lists are empty."""

    id: int
    bot: str
    source: str
    external_id: str
    conversation_id: str
    at: datetime
    received_at: datetime
    lang: str
    channel: str
    bot_version: str
    bot_intent: str
    bot_score: float | None
    is_fallback: bool
    is_slot_fill: bool
    entity_signature: str
    text: str | None
    entities: tuple[Entity, ...] = ()
    intents: tuple[IntentScore, ...] = ()
    redactions: tuple[Redaction, ...] = ()


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a conversation. `text` is None when it was forgotten."""

    who: Literal["user", "bot"]
    at: datetime
    text: str | None
    turn_id: int | None = None  # of a user's line
    is_focus: bool = False  # the turn the conversation was asked for


class Counts(msgspec.Struct, frozen=True):
    turns: int
    replies: int
    reports: int


def insert_turns(connection: sa.Connection, bot: str, turns: Sequence[NewTurn]) -> dict[ExternalKey, int]:
    """Store the turns that are not there yet, with their content; the ids of those. Of twins the first counts."""
    first = first_of_each((new.key, new) for new in turns)
    rows = [_turn_row(bot, new) for new in first.values()]
    told = [TURN.c[name] for name in dict.fromkeys(("id", "external_id", *tally.COUNTED, *brought.COLUMNS))]
    inserted = database.insert_new(connection, TURN, rows, *told)
    ids = {(row.source, row.external_id): int(row.id) for row in inserted}
    if ids:
        connection.execute(sa.insert(CONTENT), [_content_row(ids[key], first[key]) for key in ids])
        word_index.add(connection, bot, {ids[key]: first[key].text for key in ids})
        said = [row for row in inserted if row.source not in tables.NOT_SAID]
        tally.count_turns(connection, bot, said)
        brought.count(connection, bot, said)
    return ids


def first_of_each(pairs: Iterable[tuple[ExternalKey, T]]) -> dict[ExternalKey, T]:
    """By key, in the order they came."""
    found: dict[ExternalKey, T] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


def _turn_row(bot: str, new: NewTurn) -> dict[str, Any]:
    turn = new.turn
    best = turn.intents[0] if turn.intents else None
    return {
        "bot": bot,
        **new.arrival._asdict(),
        "external_id": turn.external_id,
        "conversation_id": turn.conversation_id,
        "at": event_time(turn.at, new.arrival),
        "lang": fit(TURN.c.lang, turn.lang),
        "channel": fit(TURN.c.channel, turn.channel),
        "bot_version": fit(TURN.c.bot_version, turn.bot_version),
        "bot_intent": fit(TURN.c.bot_intent, best.name) if best else "",
        "bot_score": best.score if best else None,
        "is_fallback": turn.is_fallback,
        "is_slot_fill": turn.is_slot_fill,
        "text_key": new.text_key,
        "entity_signature": new.entity_signature,
    }


def _content_row(turn_id: int, new: NewTurn) -> dict[str, Any]:
    return {
        "turn_id": turn_id,
        "text": new.turn.text,
        "redactions": [list(redaction) for redaction in new.redactions],
        "entities": msgspec.to_builtins(new.turn.entities),
        "intents": msgspec.to_builtins(new.turn.intents),
        "person": new.person,
    }


def event_time(at: datetime, arrival: Arrival) -> datetime:
    """Never after the arrival: a platform's fast clock would put turns into the future's windows."""
    return min(at, arrival.received_at)


def fit(column: sa.Column[Any], text: str) -> str:
    """Cut to the column's length: Postgres would refuse the row, SQLite would not."""
    return text[: cast(sa.String, column.type).length]


def insert_vectors(connection: sa.Connection, encoder: str, vectors: Mapping[int, bytes]) -> None:
    """Packed vectors by turn id, of the encoder of that identity."""
    rows = [{"turn_id": turn_id, "encoder": encoder, "data": data} for turn_id, data in vectors.items()]
    database.insert_new(connection, VECTOR, rows)


def turn_ids(connection: sa.Connection, bot: str, keys: Iterable[ExternalKey]) -> dict[ExternalKey, int]:
    """The ids of turns that are there and not forgotten."""
    c = TURN.c
    wanted = sa.tuple_(c.source, c.external_id).in_(list(keys))
    rows = connection.execute(
        sa.select(c.id, c.source, c.external_id).where(c.bot == bot, wanted, c.forgotten_at.is_(None))
    )
    return {(row.source, row.external_id): int(row.id) for row in rows}


def stored_keys(connection: sa.Connection, bot: str, source: str, facts: Sequence[Fact]) -> set[FactKey]:
    """Those of the facts' keys that are taken; a forgotten turn's is."""
    found: set[FactKey] = set()
    for kind, table in ((Turn, TURN), (Reply, REPLY), (Report, tables.report)):
        ids = [fact.external_id for fact in facts if isinstance(fact, kind)]
        c = table.c
        query = sa.select(c.external_id).where(c.bot == bot, c.source == source, c.external_id.in_(ids))
        found.update((kind, external_id) for external_id in connection.scalars(query))
    return found


def insert_replies(connection: sa.Connection, bot: str, replies: Sequence[NewReply]) -> int:
    """Store the replies that are not there yet; how many those were."""
    first = first_of_each(((new.arrival.source, new.reply.external_id), new) for new in replies)
    rows = [_reply_row(bot, new) for new in first.values()]
    inserted = database.insert_new(connection, REPLY, rows, REPLY.c.id, REPLY.c.source, REPLY.c.external_id)
    contents = [{"reply_id": row.id, "text": first[row.source, row.external_id].reply.text} for row in inserted]
    if contents:
        connection.execute(sa.insert(REPLY_CONTENT), contents)
    return len(contents)


def _reply_row(bot: str, new: NewReply) -> dict[str, Any]:
    reply = new.reply
    return {
        "bot": bot,
        **new.arrival._asdict(),
        "external_id": reply.external_id,
        "conversation_id": reply.conversation_id,
        "turn_external_id": reply.turn_external_id,
        "at": event_time(reply.at, new.arrival),
        "intent": fit(REPLY.c.intent, reply.intent),
    }


def get_turn(connection: sa.Connection, bot: str, turn_id: int) -> StoredTurn:
    """TurnNotFound also for another bot's turn."""
    found = get_turns(connection, bot, [turn_id])
    if not found:
        raise TurnNotFound(bot, turn_id)
    return found[turn_id]


def get_turns(connection: sa.Connection, bot: str, ids: Iterable[int]) -> dict[int, StoredTurn]:
    """Those of the turns that the bot has."""
    query = _with_content().where(TURN.c.bot == bot, TURN.c.id.in_(list(ids)))
    return {row["id"]: _stored(row) for row in connection.execute(query).mappings()}


def list_turns(connection: sa.Connection, bot: str, *, after: int = 0, limit: int = 1_000) -> list[StoredTurn]:
    """Turns in the order they were stored; the next page starts after the last one's id."""
    query = _with_content().where(TURN.c.bot == bot, TURN.c.id > after).order_by(TURN.c.id).limit(limit)
    return [_stored(row) for row in connection.execute(query).mappings()]


_CONTENT_NAMES = ("text", "entities", "intents", "redactions")


def _with_content() -> sa.Select[Any]:
    plain = [TURN.c[name] for name in StoredTurn.__struct_fields__ if name not in _CONTENT_NAMES]
    content = [CONTENT.c[name] for name in _CONTENT_NAMES]
    return sa.select(*plain, *content).outerjoin(CONTENT, CONTENT.c.turn_id == TURN.c.id)


def _stored(row: Mapping[Any, Any]) -> StoredTurn:
    content = {name: row[name] or () for name in _CONTENT_NAMES[1:]}
    return msgspec.convert({name: row[name] for name in StoredTurn.__struct_fields__} | content, StoredTurn)


def conversation(connection: sa.Connection, bot: str, turn_id: int, *, turns: int = 2) -> list[Line]:
    """The turn among up to `turns` turns before and after it and the replies between, in order of time.

    A turn without a conversation stands with the replies that name it.
    """
    focus = get_turn(connection, bot, turn_id)
    near = _turns_around(connection, focus, turns)
    lines = [(at, 0, row_id, _user_line(row_id, at, text, turn_id)) for row_id, at, text in near]
    lines += [
        (at, 1, row_id, Line(who="bot", at=at, text=text))
        for row_id, at, text in _replies_around(connection, focus, near, turns)
    ]
    return [line for *_, line in sorted(lines, key=lambda item: item[:3])]


def _user_line(row_id: int, at: datetime, text: str | None, focus_id: int) -> Line:
    return Line(who="user", at=at, text=text, turn_id=row_id, is_focus=row_id == focus_id)


_Row = tuple[int, datetime, str | None]  # id, at, text


def _turns_around(connection: sa.Connection, focus: StoredTurn, turns: int) -> list[_Row]:
    here: _Row = (focus.id, focus.at, focus.text)
    if not focus.conversation_id:
        return [here]
    c, place = TURN.c, sa.tuple_(TURN.c.at, TURN.c.id)
    centre = sa.tuple_(sa.literal(focus.at, c.at.type), sa.literal(focus.id))
    query = (
        sa.select(c.id, c.at, CONTENT.c.text)
        .outerjoin(CONTENT, CONTENT.c.turn_id == c.id)
        .where(c.bot == focus.bot, c.source == focus.source, c.conversation_id == focus.conversation_id)
        .limit(turns)
    )
    before = connection.execute(query.where(place < centre).order_by(c.at.desc(), c.id.desc())).all()
    after = connection.execute(query.where(place > centre).order_by(c.at, c.id)).all()
    return [*(_row(row) for row in reversed(before)), here, *(_row(row) for row in after)]


def _row(row: Any) -> _Row:
    return row.id, row.at, row.text


def _replies_around(connection: sa.Connection, focus: StoredTurn, near: Sequence[_Row], turns: int) -> list[_Row]:
    """Replies among these turns, after the last of them, and before the first where it opens the conversation."""
    c = REPLY.c
    query = sa.select(c.id, c.at, REPLY_CONTENT.c.text).outerjoin(REPLY_CONTENT, REPLY_CONTENT.c.reply_id == c.id)
    query = query.where(c.bot == focus.bot, c.source == focus.source)
    if not focus.conversation_id:
        return [_row(row) for row in connection.execute(query.where(c.turn_external_id == focus.external_id))]
    query = query.where(c.conversation_id == focus.conversation_id)
    if [row[0] for row in near].index(focus.id) == turns:
        query = query.where(c.at >= near[0][1])
    if (end := _next_turn_at(connection, focus, near[-1])) is not None:
        query = query.where(c.at < end)
    return [_row(row) for row in connection.execute(query)]


def _next_turn_at(connection: sa.Connection, focus: StoredTurn, last: _Row) -> datetime | None:
    c = TURN.c
    later = sa.tuple_(c.at, c.id) > sa.tuple_(sa.literal(last[1], c.at.type), sa.literal(last[0]))
    same = (c.bot == focus.bot, c.source == focus.source, c.conversation_id == focus.conversation_id)
    found: datetime | None = connection.scalar(sa.select(sa.func.min(c.at)).where(*same, later))
    return found


def preceding_reply(connection: sa.Connection, bot: str, turn_id: int) -> str | None:
    """What the bot had said just before the turn; None when it had not spoken, or it was forgotten."""
    lines = conversation(connection, bot, turn_id, turns=1)
    position = next(i for i, line in enumerate(lines) if line.is_focus)
    before = lines[position - 1] if position else None
    return before.text if before and before.who == "bot" else None


def counts(connection: sa.Connection, bot: str) -> Counts:
    """Rows stored for the bot. Imported examples and the gold set are turns of sources of their own and counted too."""
    tables_of = (TURN, REPLY, tables.report)
    found = [
        sa.select(sa.func.count()).select_from(table).where(table.c.bot == bot).scalar_subquery() for table in tables_of
    ]
    return Counts(*connection.execute(sa.select(*found)).one())


def scores_of(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, IntentScore]:
    """The platform's best intent, by turn; where it sent none there is none."""
    scores: dict[int, IntentScore] = {}
    for start in range(0, len(turn_ids), CHUNK):
        here = (TURN.c.id.in_(turn_ids[start : start + CHUNK]), TURN.c.bot_intent != "", TURN.c.bot_score.is_not(None))
        rows = connection.execute(sa.select(TURN.c.id, TURN.c.bot_intent, TURN.c.bot_score).where(*here))
        scores |= {row.id: IntentScore(row.bot_intent, row.bot_score) for row in rows}
    return scores


class Saying(NamedTuple):
    """What was said, by whom: "" is somebody who is not known."""

    text: str
    person: str


def texts_of(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, str]:
    """By turn; a forgotten one has none."""
    return {turn_id: one.text for turn_id, one in sayings_of(connection, turn_ids).items()}


def sayings_of(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, Saying]:
    """By turn; a forgotten one is missing."""
    query = sa.select(CONTENT.c.turn_id, CONTENT.c.text, CONTENT.c.person)
    found: dict[int, Saying] = {}
    for start in range(0, len(turn_ids), CHUNK):
        rows = connection.execute(query.where(CONTENT.c.turn_id.in_(turn_ids[start : start + CHUNK])))
        found |= {row.turn_id: Saying(row.text, row.person) for row in rows}
    return found
