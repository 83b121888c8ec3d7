"""Bot Framework and Copilot Studio: activities, one, a list of them, or transcripts.

A transcript is a list of activities, or an object with `activities`; Copilot Studio keeps it, as a string, in `content`
of a `conversationtranscript` of Dataverse, whose list is an object with `value`. A user's message is a turn, a bot's a
reply; a reaction to a reply, or Teams' feedback form (`invoke` of `message/submitAction`), is a report on it. What was
understood stands in traces, see traces.py: they are read where their message is in the same delivery.

An activity's id is its own in its conversation alone. One that names none, in a transcript that has no
`conversationtranscriptid` either, is refused: what it would go by instead could be another conversation's. A reply
without words, such as a card, is kept, for reactions point at it.

Published at https://github.com/microsoft/botframework-sdk/blob/main/specs/botframework-activity/botframework-activity.md,
https://learn.microsoft.com/en-us/microsoftteams/platform/bots/how-to/bot-messages-ai-generated-content (feedback) and
https://learn.microsoft.com/en-us/microsoft-copilot-studio/analytics-sessions-transcripts. Offsets count UTF-16 units.
LUIS traces one intent, and so no margin, unless the bot sets `includeAllIntents`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from integrations.webhooks.collecting import (
    ENTITIES,
    ITEMS_LIMIT,
    LANG,
    USER,
    WORD,
    Item,
    collect,
    derived,
    joined,
    listed,
    spoken,
    unpacked,
)
from integrations.webhooks.lenient import Fields
from integrations.webhooks.traces import Understanding, both, understanding
from service.turns.parsing import Fault, Margin, Parsed, Place, check_text
from service.turns.schemas import ID_LIMIT, Entity, Fact, Note, Reply, Report, Turn

MARGIN: Margin = "sometimes"
UNVERIFIED = (
    "value of the traces IntentRecognition and IntentCandidates",
    "who speaks, where from.role is missing",
    "channelData.postBack",
    "reactions other than like",
)
BOTS, USERS = ("bot", "skill", 0, "0"), ("user", 1, "1")  # from.role
DISLIKES = ("dislike", "sad", "angry")
Activity = tuple[Place, Any]


class Transcript(NamedTuple):
    """What the activities of a list share: the conversation, "" where they have to name it, and what their traces say
    of a message, by its own id."""

    conversation: str
    understood: Mapping[str, Understanding]


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    for conversation, activities in _transcripts(body, notes):
        transcript = Transcript(conversation, _understood(activities, notes))
        for place, activity in activities:
            yield Item(place, activity, partial(_facts, transcript=transcript, received_at=received_at))


def _transcripts(body: Any, notes: list[Note]) -> Iterator[tuple[str, list[Activity]]]:
    """Conversation, where the record names it, and activities of each transcript."""
    is_list = isinstance(body, dict) and "type" not in body and isinstance(body.get("value"), list)
    found, path = (body["value"], "value") if is_list else (body, "")
    if isinstance(found, list) and any(_is_record(value) for value in found):
        yield from (_opened(place, record, notes) for place, record in listed(found, path))
    elif _is_record(found):
        yield _opened(Place(0, ""), found, notes)
    elif isinstance(found, dict) and "activities" in found:
        yield "", list(listed(found["activities"], "activities", ITEMS_LIMIT))
    elif isinstance(found, list):
        yield "", list(listed(found, path, ITEMS_LIMIT))
    else:
        yield "", [(Place(0, ""), found)]


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and "content" in value and "type" not in value


def _opened(place: Place, record: Any, notes: list[Note]) -> tuple[str, list[Activity]]:
    """The transcript in a record of Dataverse; what is none is left for its reader to refuse."""
    if not _is_record(record):
        return "", [(place, record)]
    fields = Fields(record, place.path, place.position, notes)
    content, path = unpacked(record["content"]), fields.path("content")
    if isinstance(content, dict):
        content, path = content.get("activities"), f"{path}.activities"
    if not isinstance(content, list):
        return "", [(Place(place.position, path), content)]
    activities = listed(content, path, ITEMS_LIMIT)
    placed = [(Place(place.position, inner.path), activity) for inner, activity in activities]
    return fields.words("conversationtranscriptid", ID_LIMIT), placed


def _understood(activities: list[Activity], notes: list[Note]) -> dict[str, Understanding]:
    """By the id of the user's message that a trace replies to, or follows."""
    last, said, found = "", set[str](), list[tuple[str, Fields, Understanding]]()
    for place, value in activities:
        activity = Fields(value if isinstance(value, dict) else {}, place.path, place.position, notes)
        if activity.get("type") == "message" and not _is_bots(activity):
            last = activity.words("id", ID_LIMIT)
            said.add(last)
        elif activity.get("type") == "trace" and (seen := understanding(activity)):
            found.append((activity.words("replyToId", ID_LIMIT) or last, activity, seen))
    understood: dict[str, Understanding] = {}
    for message, trace, seen in found:
        if message in said:
            understood[message] = both(understood.get(message, Understanding()), seen)
        else:
            trace.note("replyToId", "trace-alone", "dropped: the message it is about is not in this delivery")
    return understood


def _is_bots(activity: Fields) -> bool:
    """By the sender's role; else by Teams' ids, and last because it replies to something."""
    sender = activity.fields("from")
    role, own_id = sender.get("role"), sender.get("id")
    if role in (*BOTS, *USERS):
        return role in BOTS
    if isinstance(own_id, str) and own_id.startswith(("28:", "29:")):
        return own_id.startswith("28:")
    return activity.has("replyToId")


def _facts(activity: Fields, transcript: Transcript, received_at: datetime) -> list[Fact]:
    if (read := _reader(activity, transcript)) is None:
        return []
    return read(activity, _conversation(activity, transcript), activity.instant("timestamp", received_at))


def _reader(activity: Fields, transcript: Transcript) -> Callable[[Fields, str, datetime], list[Fact]] | None:
    """None where the activity says nothing that we keep."""
    match activity.string("type"):
        case "message" if _is_bots(activity):
            return _reply
        case "message":
            return partial(_turn, understood=transcript.understood.get(activity.id("id"), Understanding()))
        case "messageReaction":
            return _reaction
        case "invoke" if activity.get("name") == "message/submitAction":
            return _feedback
        case _:
            return None


def _conversation(activity: Fields, transcript: Transcript) -> str:
    where = activity.fields("conversation")
    if found := where.optional_id("id") or transcript.conversation:
        return found
    mend = "an activity's own id is not enough; name it, or keep the record with its conversationtranscriptid"
    raise Fault("missing", where.path("id"), f"the conversation is named nowhere: {mend}")


def _turn(activity: Fields, conversation: str, at: datetime, understood: Understanding) -> list[Fact]:
    text = _said(activity) if activity.has("text") else ""
    if not text.strip() or activity.fields("channelData").get("postBack") is True:
        activity.note("text", "no-text", "skipped: a button, a card or a file is no utterance")
        return []
    check_text(text, activity.path("text"))
    turn = Turn(
        external_id=_key(activity, conversation, "id"),
        text=text,
        at=at,
        conversation_id=conversation,
        user=activity.fields("from").words("id", USER),
        lang=activity.words("locale", LANG),
        channel=activity.words("channelId", WORD),
        intents=understood.intents,
        entities=_entities(activity, text, understood),
        is_fallback=understood.is_fallback,
    )
    return [turn]


def _said(activity: Fields) -> str:
    """The text without the mentions of the bot that a Teams channel demands."""
    text, bot = activity.string("text"), activity.fields("recipient").get("id")
    for entity in activity.list("entities")[:ENTITIES]:
        match entity:
            case {"type": "mention", "text": str(mention), "mentioned": {"id": mentioned}} if mentioned == bot:
                text = text.replace(mention, "").strip()
    return text


def _entities(activity: Fields, text: str, understood: Understanding) -> tuple[Entity, ...]:
    if understood.entities and understood.text != text:
        activity.note("text", "another-text", "entities dropped: they stand in another text than the message's")
        return ()
    return understood.entities


def _reply(activity: Fields, conversation: str, at: datetime) -> list[Fact]:
    text = spoken(activity, "text", activity.string("text") if activity.has("text") else "")
    own_id = _key(activity, conversation, "id")
    turn = _key(activity, conversation, "replyToId") if activity.has("replyToId") else ""
    return [Reply(external_id=own_id, text=text, at=at, conversation_id=conversation, turn_external_id=turn)]


def _key(activity: Fields, conversation: str, name: str) -> str:
    return joined(conversation, activity.id(name))


def _reaction(activity: Fields, conversation: str, at: datetime) -> list[Fact]:
    added = [reaction.get("type") for reaction in activity.list("reactionsAdded") if isinstance(reaction, dict)]
    if not any(kind in DISLIKES for kind in added):
        activity.note("reactionsAdded", "no-complaint", f"skipped: none of {', '.join(DISLIKES)}")
        return []
    return [_report(activity, conversation, at, "replyToId" if activity.has("replyToId") else "id", "")]


def _feedback(activity: Fields, conversation: str, at: datetime) -> list[Fact]:
    value = activity.fields("value")
    action = value.fields("actionValue")
    if value.get("actionName") != "feedback" or action.get("reaction") not in DISLIKES:
        activity.note("value", "no-complaint", "skipped: no feedback, or a good one")
        return []
    form = unpacked(action.get("feedback"))
    said = form.get("feedbackText") if isinstance(form, dict) else form
    comment = spoken(action, "feedback", said) if isinstance(said, str) else ""
    return [_report(activity, conversation, at, "replyToId", comment)]


def _report(activity: Fields, conversation: str, at: datetime, target: str, comment: str) -> Report:
    reply, user = _key(activity, conversation, target), activity.fields("from").words("id", USER)
    return Report(
        external_id=derived(reply, "thumbs_down", comment, user),
        kind="thumbs_down",
        at=at,
        conversation_id=conversation,
        reply_external_id=reply,
        comment=comment,
        user=user,
    )
