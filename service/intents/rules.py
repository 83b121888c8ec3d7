"""Importing intents and gold labels. A whole file is checked before anything of it is kept.

Intents go to SQL at once; examples go through the stream, for they want the same redaction and encoder as turns. An
example's id is made from its text and its intent's id, so importing a file again, also after a rename, changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import sqlalchemy as sa
from msgspec import structs

from service import jobs
from service.access import audit
from service.bots.store import live_bot
from service.context import Context
from service.database import writing
from service.errors import BadInput, StreamFull
from service.intents import store
from service.intents.parsing import check_all, refuse
from service.intents.schemas import NONE, Imported, Intent, IntentChange, ParsedExample, ParsedIntent
from service.jobs import Job
from service.streams import Streams, redis_errors
from service.turns.schemas import Example, Receipt

Use = Literal["train", "gold"]
CHUNK = 500  # examples of one delivery
NOTES_SHOWN = 20


class Importing(Protocol):
    """What `import_intents` and `import_gold` have in common."""

    def __call__(
        self, context: Context, bot: str, parsed: Sequence[ParsedIntent], now: datetime, *, who: str = ...
    ) -> Imported: ...


class Target(NamedTuple):
    """The intent that examples go to; id 0 and name "" stand for none, out of scope."""

    id: int
    name: str


OUT_OF_SCOPE = Target(0, "")


def import_intents(
    context: Context, bot: str, parsed: Sequence[ParsedIntent], now: datetime, *, who: str = audit.SYSTEM
) -> Imported:
    """Create and describe the intents, send their examples to ingest as labels to train on, and ask for a training."""
    _check(context, bot, parsed)
    parsed, left = _of_use(parsed, "train")
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        summary = _upsert(connection, bot, parsed, now, who)
        targets, notes = _targets(connection, bot, parsed)
        audit.record(connection, bot, "intents.import", now, who, examples=_count(parsed))
    sent = _examples(context, targets, parsed, now, "train")
    _send(context, bot, "import", sent, now)
    ask(context, Job.TRAIN, bot)
    notes += left + _contradictions(parsed)
    return Imported(created=summary[0], updated=summary[1], examples=len(sent), notes=tuple(notes[:NOTES_SHOWN]))


def create_intent(context: Context, bot: str, parsed: ParsedIntent, now: datetime, *, who: str) -> Intent:
    """A new one, with the examples that there are; IntentNameTaken, and nothing sent, when there was one before."""
    _check(context, bot, [parsed])
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        [made] = store.create_intents(connection, bot, {parsed.name: parsed.description}, now, who=who)
    if parsed.examples:
        import_intents(context, bot, [parsed], now, who=who)
    return made


def import_gold(
    context: Context, bot: str, parsed: Sequence[ParsedIntent], now: datetime, *, who: str = audit.SYSTEM
) -> Imported:
    """Send labels that test and never train; their intents have to exist."""
    _check(context, bot, parsed)
    parsed, left = _of_use(parsed, "gold")
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        targets, _ = _targets(connection, bot, parsed)
        for mention in parsed:
            if mention.name not in targets:
                refuse(
                    f"there is no intent {mention.name!r} to test", mention.where, "`fencepost intents import` first"
                )
        audit.record(connection, bot, "gold.import", now, who, examples=_count(parsed))
    sent = _examples(context, targets, parsed, now, "gold")
    _send(context, bot, "gold", sent, now)
    return Imported(examples=len(sent), notes=tuple((left + _contradictions(parsed))[:NOTES_SHOWN]))


def _of_use(parsed: Sequence[ParsedIntent], use: Use) -> tuple[list[ParsedIntent], list[str]]:
    """The examples for this use, where the file tells those that test from those that train; a note on the others."""
    tests = sum(item.is_test for mention in parsed for item in mention.examples)
    if not tests:
        return list(parsed), []
    is_gold = use == "gold"
    kept = [
        structs.replace(mention, examples=tuple(item for item in mention.examples if item.is_test == is_gold))
        for mention in parsed
    ]
    if is_gold:
        return kept, [f"{_count(parsed) - tests} examples train: `fencepost intents import` takes them"]
    return kept, [f"{tests} examples test and were left out: `fencepost gold import` takes them"]


def _check(context: Context, bot: str, parsed: Sequence[ParsedIntent]) -> None:
    """Everything that can be refused is refused here, before the first write."""
    if not parsed:
        refuse("there is nothing to import", "", "the file is empty")
    check_all(parsed)
    for mention in parsed:
        _check_mention(mention)
    _check_room(context, bot, _count(parsed))


def _count(parsed: Iterable[ParsedIntent]) -> int:
    return sum(len(mention.examples) for mention in parsed)


def _check_mention(mention: ParsedIntent) -> None:
    try:
        if mention.name != NONE:
            store.checked_name(mention.name)
        store.checked_description(mention.description)
    except BadInput as error:
        raise BadInput(error.detail, path=f"{mention.where}, {error.path}", hint=error.hint) from error


def _check_room(context: Context, bot: str, count: int) -> None:
    bound = context.settings.stream_bound
    if count > bound:
        refuse(f"{count} examples are more than the stream takes at once", "", f"split the file: {bound} at most")
    if count + _streams(context).depth(bot) > bound:
        raise StreamFull(bot, bound)


def _streams(context: Context) -> Streams:
    return Streams(context.redis, context.keyring, context.settings.stream_bound)


def _upsert(
    connection: sa.Connection, bot: str, parsed: Iterable[ParsedIntent], now: datetime, who: str
) -> tuple[int, int]:
    """How many intents were created and how many got another description."""
    described: dict[str, str] = {}
    for mention in parsed:
        if mention.name != NONE:
            described[mention.name] = mention.description or described.get(mention.name, "")
    store.lock(connection, bot)
    known = {intent.name: intent for intent in store.list_intents(connection, bot, archived=True)}
    taken = store.intent_ids(connection, bot)
    new = {name: text for name, text in described.items() if name not in taken}
    changed = [known[name] for name, text in described.items() if _is_other(known.get(name), text)]
    store.create_intents(connection, bot, new, now, who=who)
    for intent in changed:
        store.describe_intent(connection, bot, intent.id, described[intent.name], now, who=who)
    return len(new), len(changed)


def _is_other(intent: Intent | None, description: str) -> bool:
    return intent is not None and bool(description) and intent.description != description


def _targets(
    connection: sa.Connection, bot: str, parsed: Iterable[ParsedIntent]
) -> tuple[dict[str, Target], list[str]]:
    """Where each name's examples go; notes on those that go elsewhere, or nowhere for their intent is archived."""
    intents = {intent.id: intent for intent in store.list_intents(connection, bot, archived=True)}
    ids = store.intent_ids(connection, bot)
    targets, notes = {NONE: OUT_OF_SCOPE}, []
    for name in dict.fromkeys(mention.name for mention in parsed if mention.name in ids):
        intent = intents[ids[name]]
        if intent.archived_at is not None:
            notes.append(f"intent {name!r} is archived: its examples were left out")
            continue
        targets[name] = Target(intent.id, intent.name)
        if intent.name != name:
            notes.append(f"{name!r} is {intent.name!r} now: its examples went there")
    return targets, notes


def _examples(
    context: Context, targets: Mapping[str, Target], parsed: Iterable[ParsedIntent], now: datetime, use: Use
) -> list[Example]:
    """One example per text and intent."""
    found: dict[str, Example] = {}
    for mention in parsed:
        if (target := targets.get(mention.name)) is not None:
            for item in mention.examples:
                example = _example(context, target, item, now, use)
                found.setdefault(example.external_id, example)
    return list(found.values())


def _example(context: Context, target: Target, item: ParsedExample, now: datetime, use: Use) -> Example:
    return Example(
        external_id=context.keyring.hash("example", str(target.id), item.text).hex()[:32],
        text=item.text,
        at=now,
        intent=target.name,
        use=use,
        entities=item.entities,
        lang=item.lang,
    )


def _send(context: Context, bot: str, source: str, examples: Sequence[Example], now: datetime) -> None:
    streams = _streams(context)
    for start in range(0, len(examples), CHUNK):
        chunk = examples[start : start + CHUNK]
        # With the instant in the id, an import whose examples ended as dead letters can be repeated.
        parts = [now.isoformat(), *(example.external_id for example in chunk)]
        delivery_id = context.keyring.hash("delivery", *parts).hex()[:32]
        streams.append(bot, source, delivery_id, chunk, Receipt(accepted=len(chunk)), now)


def _contradictions(parsed: Iterable[ParsedIntent]) -> list[str]:
    """Texts that the file gives to several intents: one of them is likely a mistake."""
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for mention in parsed:
        for item in mention.examples:
            places[item.text][mention.name] = item.where
    return [
        "one text is an example of " + " and of ".join(f"{name!r} ({where})" for name, where in found.items())
        for found in places.values()
        if len(found) > 1
    ]


def change_intent(
    connection: sa.Connection, bot: str, intent_id: int, change: IntentChange, now: datetime, *, who: str
) -> bool:
    """Apply what is given; True when the set of intents to learn changed."""
    before = store.get_intent(connection, bot, intent_id).archived_at
    if isinstance(change.name, str):
        store.rename_intent(connection, bot, intent_id, change.name, now, who=who)
    if isinstance(change.description, str):
        store.describe_intent(connection, bot, intent_id, change.description, now, who=who)
    if isinstance(change.archived, bool):
        move = store.archive_intent if change.archived else store.restore_intent
        move(connection, bot, intent_id, now, who=who)
    if isinstance(change.merge_into, str):
        target = store.by_name(connection, bot, change.merge_into)
        store.merge_intents(connection, bot, intent_id, target.id, now, who=who)
    return before != store.get_intent(connection, bot, intent_id).archived_at


def change(context: Context, bot: str, intent_id: int, wanted: IntentChange, now: datetime, *, who: str) -> Intent:
    """`change_intent`, and the training that it makes worth while."""
    with writing(context.engine) as connection:
        is_other_set = change_intent(connection, bot, intent_id, wanted, now, who=who)
        changed = store.get_intent(connection, bot, intent_id)
    if is_other_set:
        ask(context, Job.TRAIN, bot)
    return changed


def ask(context: Context, job: Job, bot: str) -> None:
    with redis_errors():
        jobs.enqueue(context.queue, job, bot)
