"""Notices in SQL: what a channel is told besides cards. Each is written before it is posted, under a key that says what
it is about: so nothing is told twice, and what Slack did not take is told later."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from integrations.slack.blocks import Message
from integrations.slack.blocks.alerts import Drifted
from integrations.slack.blocks.digest import Digest
from integrations.slack.blocks.names import NoticePlace
from integrations.slack.blocks.notices import Decision, Held, News, Promoted, Quoted, notice
from service import database, tables
from service.classifiers import gates
from service.errors import NotFound
from service.reviews.listing import intent_names, is_asked_blind

NOTICE, QUOTE = tables.notice, tables.notice_turn
CONTENT = tables.turn_content
FRESH = timedelta(days=3)  # what could not be told by then is no news any more


class Due(NamedTuple):
    """What is to be told, under `kind:which`; `turn_ids`: whose texts are quoted."""

    key: str
    news: News
    turn_ids: Sequence[int] = ()


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    bot: str
    news: News
    message_id: str | None
    decision: str
    decided_by: str


def is_known(connection: sa.Connection, bot: str, key: str) -> bool:
    return connection.scalar(sa.select(NOTICE.c.id).where(NOTICE.c.bot == bot, NOTICE.c.key == key)) is not None


def write(connection: sa.Connection, bot: str, due: Due, now: datetime) -> None:
    """A repeat, or two at once, write one. An older one of its kind that nobody has seen yet is no news any more."""
    kind, _, _ = due.key.partition(":")
    unseen = (NOTICE.c.bot == bot, NOTICE.c.message_id.is_(None), NOTICE.c.key.startswith(f"{kind}:"))
    connection.execute(sa.delete(NOTICE).where(*unseen, NOTICE.c.key != due.key))
    row = {"bot": bot, "key": due.key, "created_at": now, "news": msgspec.to_builtins(due.news)}
    made = database.insert_new(connection, NOTICE, [row])
    quotes = [{"notice_id": notice_id, "turn_id": turn_id} for (notice_id,) in made for turn_id in due.turn_ids]
    if quotes:
        connection.execute(QUOTE.insert(), quotes)


def waiting(connection: sa.Connection, bot: str, now: datetime) -> int | None:
    """The id of the oldest notice that is on no message."""
    where = (NOTICE.c.bot == bot, NOTICE.c.message_id.is_(None), NOTICE.c.created_at > now - FRESH)
    found: int | None = connection.scalar(sa.select(sa.func.min(NOTICE.c.id)).where(*where))
    return found


def get(connection: sa.Connection, place: NoticePlace) -> Notice:
    found = _one(connection, NOTICE.c.bot == place.bot, NOTICE.c.id == place.notice)
    if found is None:
        raise NotFound(f"bot {place.bot!r} has no such notice")
    return found


def on_message(connection: sa.Connection, message_id: str) -> Notice | None:
    return _one(connection, NOTICE.c.message_id == message_id)


def _one(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Notice | None:
    row = connection.execute(sa.select(NOTICE).where(*where)).mappings().one_or_none()
    return None if row is None else msgspec.convert({name: row[name] for name in Notice.__struct_fields__}, Notice)


def decide(
    connection: sa.Connection,
    notice_id: int,
    what: Literal["promote", "hold", "late", "review", "propose"],
    who: str,
    *,
    is_final: bool = False,
) -> bool:
    """Keep the first decision about a held challenger or an alert; False when one was taken before. `is_final`: it is
    carried out, whatever was decided meanwhile."""
    change = sa.update(NOTICE).where(NOTICE.c.id == notice_id, sa.true() if is_final else NOTICE.c.decision == "")
    return connection.execute(change.values(decision=what, decided_by=who)).rowcount == 1


class Drawn(NamedTuple):
    """A notice as it should be now, and the turns that it then quotes."""

    message: Message
    turn_ids: Collection[int]


def draw(connection: sa.Connection, found: Notice) -> Drawn:
    wanted = connection.scalars(sa.select(QUOTE.c.turn_id).where(QUOTE.c.notice_id == found.id)).all()
    texts = quotable(connection, wanted)
    place, decision = NoticePlace(found.bot, found.id), Decision(found.decision, found.decided_by)
    return Drawn(notice(place, found.news, _quotes(connection, found, texts), decision), texts.keys())


def quotable(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, str]:
    """Texts of those of the turns that have one and that nobody is asked about blind, by turn."""
    query = sa.select(CONTENT.c.turn_id, CONTENT.c.text).where(CONTENT.c.turn_id.in_(turn_ids))
    return {row.turn_id: row.text for row in connection.execute(query.where(~is_asked_blind(CONTENT.c.turn_id)))}


def _quotes(connection: sa.Connection, found: Notice, texts: dict[int, str]) -> list[Quoted]:
    """An answer that was corrected since may have found neither right."""
    if isinstance(found.news, Drifted):
        return [Quoted(text) for _, text in sorted(texts.items())]
    if not texts or not isinstance(found.news, Promoted | Held):
        return []
    names, n = intent_names(connection, found.bot), found.news.n
    won, lost = gates.won_and_lost(connection, found.bot, n)
    flips = gates.flips_of(connection, found.bot, n, [turn for turn in texts if turn in won or turn in lost])
    return [
        Quoted(texts[flip.turn_id], names.get(flip.champion, ""), names.get(flip.challenger, ""), flip.turn_id in won)
        for flip in flips
    ]


def shows(connection: sa.Connection, found: Notice, turn_ids: Collection[int]) -> None:
    """The notice's message shows it as it was found, and quotes these turns."""
    connection.execute(sa.update(NOTICE).where(NOTICE.c.id == found.id).values(shown=found.decision))
    gone = (QUOTE.c.notice_id == found.id, QUOTE.c.turn_id.not_in(turn_ids))
    connection.execute(sa.delete(QUOTE).where(*gone))


def leave_pictures_out(connection: sa.Connection, message_id: str) -> bool:
    """Of a digest, which then may be told without; False: there are none."""
    found = on_message(connection, message_id)
    if found is None or not isinstance(found.news, Digest) or not found.news.pictures:
        return False
    news = msgspec.to_builtins(msgspec.structs.replace(found.news, pictures=()))
    connection.execute(sa.update(NOTICE).where(NOTICE.c.id == found.id).values(news=news))
    return True


def is_behind() -> sa.ColumnElement[bool]:
    """Whether the notice's message does not show what it should: a decision, or that a turn may not be quoted now."""
    has_text = sa.exists().where(CONTENT.c.turn_id == QUOTE.c.turn_id)
    may_not = ~has_text | is_asked_blind(QUOTE.c.turn_id)
    return (NOTICE.c.shown != NOTICE.c.decision) | sa.exists().where(QUOTE.c.notice_id == NOTICE.c.id, may_not)
