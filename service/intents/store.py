"""Intents of a bot: one row each, and every name one ever had.

Labels hold an intent's id for ever. A rename changes the name, a merge says which intent the labels count for, an
archived intent is offered no more: none of them touches a label, so all of them can be undone.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from service import database
from service import tables as t
from service.access import audit
from service.errors import BadInput, Conflict, IntentNameTaken, IntentNotFound
from service.intents.schemas import DESCRIPTION_LIMIT, NAME_LIMIT, NONE, Intent, IntentView

EXAMPLES_SHOWN = 3


def list_intents(connection: sa.Connection, bot: str, *, archived: bool = False) -> list[Intent]:
    """By id; `archived` adds the archived and merged ones."""
    query = sa.select(t.intent).where(t.intent.c.bot == bot).order_by(t.intent.c.id)
    if not archived:
        query = query.where(t.intent.c.archived_at.is_(None))
    return [msgspec.convert(row, Intent, from_attributes=True) for row in connection.execute(query)]


def get_intent(connection: sa.Connection, bot: str, intent_id: int) -> Intent:
    query = sa.select(t.intent).where(t.intent.c.bot == bot, t.intent.c.id == intent_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise IntentNotFound(bot, intent_id)
    return msgspec.convert(row, Intent, from_attributes=True)


def merges(connection: sa.Connection, bot: str) -> dict[int, int]:
    """Every intent's id → the id its labels count for now."""
    rows = connection.execute(sa.select(t.intent.c.id, t.intent.c.merged_into).where(t.intent.c.bot == bot))
    into = {row.id: row.merged_into for row in rows}
    return {intent_id: _follow(into, intent_id) for intent_id in into}


def _follow(into: Mapping[int, int | None], intent_id: int) -> int:
    while (target := into[intent_id]) is not None:
        intent_id = target
    return intent_id


def resolve_id(connection: sa.Connection, bot: str, intent_id: int) -> int:
    """The id whose labels this intent's count as: its own, unless it was merged."""
    try:
        return merges(connection, bot)[intent_id]
    except KeyError as error:
        raise IntentNotFound(bot, intent_id) from error


def intent_ids(connection: sa.Connection, bot: str) -> dict[str, int]:
    """Every name an intent ever had → the id its labels count for now. Archived intents keep their names."""
    final = merges(connection, bot)
    c = t.intent_name.c
    rows = connection.execute(sa.select(c.name, c.intent_id).where(c.bot == bot))
    return {row.name: final[row.intent_id] for row in rows}


def by_name(connection: sa.Connection, bot: str, name: str) -> Intent:
    """The intent that has this name now, or else had it once; a merged one as itself."""
    c = t.intent_name.c
    intent_id = connection.scalar(sa.select(c.intent_id).where(c.bot == bot, c.name == name))
    if intent_id is None:
        raise IntentNotFound(bot, name)
    return get_intent(connection, bot, intent_id)


def lock(connection: sa.Connection, bot: str) -> None:
    """Serialise changes to the bot's intents. SQLite's writers are alone anyway; Postgres locks the bot's row."""
    connection.execute(sa.select(t.bot.c.name).where(t.bot.c.name == bot).with_for_update())


def checked_name(name: str) -> str:
    if not name.strip() or len(name) > NAME_LIMIT or not name.isprintable() or name != name.strip():
        hint = f"1 to {NAME_LIMIT} printable characters, no space around them"
        raise BadInput(f"{name!r} is no name for an intent", path="name", hint=hint)
    if name.lower() == NONE:
        raise BadInput("`none` means out of scope: no intent can have that name", path="name")
    return name


def checked_description(description: str) -> str:
    if len(description) > DESCRIPTION_LIMIT or "\0" in description:
        raise BadInput(f"a description has at most {DESCRIPTION_LIMIT} characters and no NUL", path="description")
    return description


def create_intents(
    connection: sa.Connection, bot: str, described: Mapping[str, str], now: datetime, *, who: str = audit.SYSTEM
) -> list[Intent]:
    """New intents from name → description; IntentNameTaken when an intent has or had one of the names."""
    named = {checked_name(name): checked_description(text) for name, text in described.items()}
    lock(connection, bot)
    _check_free(connection, bot, named)
    first = 1 + (connection.scalar(sa.select(sa.func.max(t.intent.c.id)).where(t.intent.c.bot == bot)) or 0)
    rows = [
        {"bot": bot, "id": n, "name": name, "description": text, "created_at": now}
        for n, (name, text) in enumerate(named.items(), first)
    ]
    names = [{"bot": bot, "name": row["name"], "intent_id": row["id"]} for row in rows]
    if rows:
        connection.execute(sa.insert(t.intent), rows)
        connection.execute(sa.insert(t.intent_name), names)
        audit.record(connection, bot, "intent.create", now, who, intents={str(row["id"]): row["name"] for row in rows})
    return [msgspec.convert(row, Intent) for row in rows]


def _check_free(connection: sa.Connection, bot: str, names: Iterable[str]) -> None:
    c = t.intent_name.c
    taken = connection.execute(sa.select(c.name, c.intent_id).where(c.bot == bot, c.name.in_(list(names)))).first()
    if taken is not None:
        raise IntentNameTaken(bot, taken.name, get_intent(connection, bot, taken.intent_id).name)


def describe_intent(
    connection: sa.Connection, bot: str, intent_id: int, description: str, now: datetime, *, who: str = audit.SYSTEM
) -> Intent:
    if get_intent(connection, bot, intent_id).description != checked_description(description):
        _update(connection, bot, intent_id, description=description)
        audit.record(connection, bot, "intent.describe", now, who, intent=intent_id)
    return get_intent(connection, bot, intent_id)


def rename_intent(
    connection: sa.Connection, bot: str, intent_id: int, name: str, now: datetime, *, who: str = audit.SYSTEM
) -> Intent:
    """The old name keeps meaning this intent, so logs of an older bot still map."""
    lock(connection, bot)
    old = get_intent(connection, bot, intent_id).name
    if checked_name(name) == old:
        return get_intent(connection, bot, intent_id)
    c = t.intent_name.c
    holder = connection.scalar(sa.select(c.intent_id).where(c.bot == bot, c.name == name))
    if holder not in (None, intent_id):
        raise IntentNameTaken(bot, name, get_intent(connection, bot, holder).name)
    database.insert_new(connection, t.intent_name, [{"bot": bot, "name": name, "intent_id": intent_id}])
    _update(connection, bot, intent_id, name=name)
    audit.record(connection, bot, "intent.rename", now, who, intent=intent_id, before=old, after=name)
    return get_intent(connection, bot, intent_id)


def archive_intent(
    connection: sa.Connection, bot: str, intent_id: int, now: datetime, *, who: str = audit.SYSTEM
) -> Intent:
    """No card offers it and no classifier learns it any more; its labels stay. A repeat changes nothing."""
    if get_intent(connection, bot, intent_id).archived_at is None:
        _update(connection, bot, intent_id, archived_at=now)
        audit.record(connection, bot, "intent.archive", now, who, intent=intent_id)
    return get_intent(connection, bot, intent_id)


def restore_intent(
    connection: sa.Connection, bot: str, intent_id: int, now: datetime, *, who: str = audit.SYSTEM
) -> Intent:
    """Undo an archiving or a merge."""
    if get_intent(connection, bot, intent_id).archived_at is not None:
        _update(connection, bot, intent_id, archived_at=None, merged_into=None)
        audit.record(connection, bot, "intent.restore", now, who, intent=intent_id)
    return get_intent(connection, bot, intent_id)


def merge_intents(
    connection: sa.Connection, bot: str, source_id: int, target_id: int, now: datetime, *, who: str = audit.SYSTEM
) -> Intent:
    """From now on the source's labels count for the target. The target, as it stands."""
    lock(connection, bot)
    source, target = get_intent(connection, bot, source_id), get_intent(connection, bot, target_id)
    if target.archived_at is not None:
        raise Conflict(f"intent {target.name!r} is archived", path="merge_into", hint="restore it first")
    if source.merged_into == target_id:
        return target
    if source_id == target_id:
        raise BadInput(f"intent {source.name!r} cannot be merged into itself", path="merge_into")
    if source.merged_into is not None:
        raise Conflict(f"intent {source.name!r} was merged already", path="merge_into", hint="restore it first")
    _update(connection, bot, source_id, merged_into=target_id, archived_at=now)
    audit.record(connection, bot, "intent.merge", now, who, intent=source_id, into=target_id)
    return target


def _update(connection: sa.Connection, bot: str, intent_id: int, **values: object) -> None:
    connection.execute(sa.update(t.intent).where(t.intent.c.bot == bot, t.intent.c.id == intent_id).values(**values))


def views(connection: sa.Connection, bot: str, *, archived: bool = False) -> list[IntentView]:
    """Intents as surfaces show them: with examples, and the name of what they were merged into."""
    every = list_intents(connection, bot, archived=True)
    names = {intent.id: intent.name for intent in every}
    shown = examples(connection, bot)
    return [
        IntentView(
            id=intent.id,
            name=intent.name,
            description=intent.description,
            archived_at=intent.archived_at,
            merged_into=None if intent.merged_into is None else names[intent.merged_into],
            examples=tuple(shown.get(intent.id, ())),
        )
        for intent in every
        if archived or intent.archived_at is None
    ]


def examples(connection: sa.Connection, bot: str, limit: int = EXAMPLES_SHOWN) -> dict[int, list[str]]:
    """Intent's id → its first imported examples, redacted, merges followed; an intent without examples is missing."""
    final, found = merges(connection, bot), defaultdict[int, list[int]](list)
    for intent_id, *turn_ids in connection.execute(_first_imported(bot, limit)):
        found[final.get(intent_id, intent_id)] += filter(None, turn_ids)
    content, every = t.turn_content.c, [turn_id for turn_ids in found.values() for turn_id in turn_ids]
    texts = dict(connection.execute(sa.select(content.turn_id, content.text).where(content.turn_id.in_(every))).all())
    said = {one: [texts[turn_id] for turn_id in turn_ids if turn_id in texts] for one, turn_ids in found.items()}
    return {intent_id: phrases[:limit] for intent_id, phrases in said.items() if phrases}


def _first_imported(bot: str, limit: int) -> sa.Select[Any]:
    """Of each intent `limit` turns, one by one: thousands of labels need not be read for that."""
    label, content = t.label.c, t.turn_content.c
    imported = (
        sa.select(label.turn_id)
        .where(label.bot == t.intent.c.bot, label.use == "train", label.intent_id == t.intent.c.id)
        .where(label.origin == "import", sa.exists().where(content.turn_id == label.turn_id))
        .order_by(label.id)
        .limit(1)
        .correlate(t.intent)
    )
    first = (imported.offset(place).scalar_subquery() for place in range(limit))
    return sa.select(t.intent.c.id, *first).where(t.intent.c.bot == bot)
