"""Dialogflow CX: a webhook request, a detectIntent response, its Cloud Logging entry, a row of the BigQuery export, or
answer feedback; one, a list of them, or what a Pub/Sub subscription pushes (`message.data` in base64).

Published under https://cloud.google.com/dialogflow/cx/docs: reference/rest/v3/WebhookRequest,
reference/rest/v3/DetectIntentResponse, concept/export-bq and
reference/rest/v3/projects.locations.agents.sessions/submitAnswerFeedback. Parameters come without offsets, so there are
no entities. `diagnosticInfo` lists the alternatives of the current flow, which give a margin; Google may change it
without notice. A webhook request names the winner alone. The response's id makes one turn of what comes by several of
these ways. Dialogflow ES is read where its fields stand in the same place.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from integrations.webhooks.collecting import (
    LANG,
    Item,
    best,
    collect,
    derived,
    intents,
    joined,
    listed,
    one,
    scored,
    spoken,
    unpacked,
    unsaid,
    which,
)
from integrations.webhooks.ids import key
from integrations.webhooks.lenient import NAME, Fields
from integrations.webhooks.loading import load
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Fact, IntentScore, Note, Reply, Report, Turn

MARGIN: Margin = "sometimes"
UNVERIFIED = (
    "names and casing in request, response and bot_answer_feedback of a BigQuery row",
    "jsonPayload of a log entry",
    "intentInfo of a webhook request while a form is filled",
    "Dialogflow ES",
)
FALLBACKS = ("Default Negative Intent", "Default Fallback Intent")
ALTERNATIVES = "Alternative Matched Intents"
# BigQuery may write the names of a response either way.
QUERY_RESULT, RESPONSE_ID = ("queryResult", "query_result"), ("responseId", "response_id")
RESPONSE, FEEDBACK = "response", "bot_answer_feedback"
UNSAID = ("EVENT", "DIRECT_INTENT", "NO_INPUT")  # match types of a turn in which nothing was said


class Where(NamedTuple):
    """Where a turn stands."""

    id: str
    conversation: str
    at: datetime


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    for place, value in _values(body):
        yield Item(place, _unpacked(value), partial(_facts, received_at=received_at))


def _values(body: Any) -> Iterator[tuple[Place, Any]]:
    if isinstance(body, list):
        yield from listed(body, "")
    elif isinstance(body, dict) and isinstance(body.get("message"), dict):
        yield Place(0, "message.data"), _opened(body["message"].get("data"))
    else:
        yield Place(0, ""), body


def _unpacked(row: Any) -> Any:
    """A row with its columns of JSON as what they say."""
    if not isinstance(row, dict):
        return row
    return row | {name: unpacked(row[name]) for name in (RESPONSE, FEEDBACK) if name in row}


def _opened(data: Any) -> Any:
    try:
        return load(base64.b64decode(data, validate=True))
    except (TypeError, ValueError, binascii.Error, Fault) as error:
        raise Fault("bad-encoding", "message.data", "not JSON in base64") from error


def _facts(item: Fields, received_at: datetime) -> list[Fact]:
    if item.has("detectIntentResponseId"):
        return _requested(item, received_at)
    if item.has("conversation_name"):
        return _exported(item, received_at)
    if item.has("answerFeedback"):
        where = Where(item.id("responseId"), _session(item, "session"), received_at)
        return _reports(item, "answerFeedback", where)
    if item.has("jsonPayload"):
        return _logged(item, received_at)
    if item.has(which(item, *QUERY_RESULT)):
        return _answered(item, Where(item.id(which(item, *RESPONSE_ID)), _session(item, "session"), received_at))
    raise Fault("unknown-event-type", item.path("queryResult"), "no webhook request, response, log entry or row")


def _session(fields: Fields, name: str) -> str:
    """The session's own id, of its full name: `projects/…/sessions/ID`."""
    return fields.optional_id(name).rpartition("/")[2]


def _requested(request: Fields, received_at: datetime) -> list[Fact]:
    said = which(request, "text", "transcript")
    if unsaid(request, said):
        return []
    info = request.fields("intentInfo")
    winner = _winner(request, "intentInfo", info.get("displayName"), info.get("confidence"))
    turn = Turn(
        external_id=request.id("detectIntentResponseId"),
        text=request.text(said),
        at=received_at,
        conversation_id=_session(request.fields("sessionInfo"), "session"),
        lang=request.words("languageCode", LANG),
        intents=winner,
        is_fallback=info.get("displayName") in FALLBACKS,
        is_slot_fill=_is_collected(request.fields("pageInfo").fields("formInfo"), info.fields("parameters")),
    )
    return [turn]


def _winner(fields: Fields, path: str, name: Any, confidence: Any) -> tuple[IntentScore, ...]:
    """The matched intent alone; empty where there was none."""
    found = one(fields, path, {"name": name, "score": confidence}, scored) if name else None
    return best([found] if found else [], FALLBACKS)


def _is_collected(form: Fields, parameters: Fields) -> bool:
    """Whether the turn filled a form's parameter that the intent itself did not bring along."""
    brought = dict(parameters.items())
    filled = [value for value in form.list("parameterInfo") if isinstance(value, dict) and value.get("justCollected")]
    return any(str(value.get("displayName")) not in brought for value in filled)


def _exported(row: Fields, received_at: datetime) -> list[Fact]:
    response, place = row.fields(RESPONSE), joined(row.id("conversation_name"), key(row, "turn_position"))
    own_id = response.optional_id(which(response, *RESPONSE_ID)) or place
    where = Where(own_id, _session(row, "conversation_name"), row.instant("request_time", received_at))
    return [*_answered(response, where), *_reports(row, FEEDBACK, where)]


def _logged(entry: Fields, received_at: datetime) -> list[Fact]:
    payload = entry.fields("jsonPayload")
    if not payload.has(which(payload, *QUERY_RESULT)):
        return _skipped(entry, "jsonPayload")  # the request, of which the response tells again
    labels = entry.fields("labels")
    conversation = _session(labels, "session_id") or _session(payload, "session")
    own_id = payload.id(which(payload, *RESPONSE_ID))
    return _answered(payload, Where(own_id, conversation, entry.instant("timestamp", received_at)))


def _skipped(fields: Fields, name: str) -> list[Fact]:
    fields.note(name, "no-text", "skipped: nothing was said, or not with words")
    return []


def _answered(response: Fields, where: Where) -> list[Fact]:
    """The turn and the reply of a response."""
    result = response.fields(which(response, *QUERY_RESULT))
    match, said = result.fields("match"), which(result, "text", "transcript", "queryText", "query_text")
    kind = match.get(which(match, "matchType", "match_type"))
    if unsaid(result, said):
        return []
    if kind in UNSAID:
        return _skipped(result, said)
    intent = (match if match.has("intent") else result).fields("intent")
    name = intent.words(which(intent, "displayName", "display_name"), NAME)
    is_fallback = kind == "NO_MATCH" or name in FALLBACKS or intent.get("isFallback") is True
    winner = "" if is_fallback else name
    turn = Turn(
        external_id=where.id,
        text=result.text(said),
        at=where.at,
        conversation_id=where.conversation,
        lang=result.words(which(result, "languageCode", "language_code"), LANG),
        intents=_ranking(result, match, winner),
        is_fallback=is_fallback,
        is_slot_fill=kind == "PARAMETER_FILLING",
    )
    return [turn, *_replies(result, where, winner)]


def _ranking(result: Fields, match: Fields, winner: str) -> tuple[IntentScore, ...]:
    """The alternatives, among which the winner is; else the winner."""
    diagnosis = result.fields(which(result, "diagnosticInfo", "diagnostic_info"))
    overall = which(result, "intentDetectionConfidence", "intent_detection_confidence")
    confidence = match.get("confidence") if match.has("confidence") else result.get(overall)
    alternatives = intents(diagnosis, ALTERNATIVES, "DisplayName", "Score", FALLBACKS)
    return alternatives or _winner(result, "match", winner, confidence)


def _replies(result: Fields, where: Where, winner: str) -> list[Fact]:
    name = which(result, "responseMessages", "response_messages", "fulfillmentText")
    text = spoken(result, name, "\n".join(_lines(result.get(name))))
    if not text:
        return []
    reply = Reply(
        external_id=where.id,
        text=text,
        at=where.at,
        conversation_id=where.conversation,
        turn_external_id=where.id,
        intent=winner,
    )
    return [reply]


def _lines(messages: Any) -> Iterator[str]:
    if isinstance(messages, str):
        yield messages
    for message in messages if isinstance(messages, list) else []:
        match message:
            case {"text": {"text": list(lines)}}:
                yield from (line for line in lines if isinstance(line, str))


def _reports(item: Fields, name: str, where: Where) -> list[Fact]:
    found = item.fields(name)
    feedback = found.fields("answerFeedback") if found.has("answerFeedback") else found
    if feedback.get("rating") != "THUMBS_DOWN":
        return []
    reason = feedback.fields(which(feedback, "ratingReason", "rating_reason"))
    said = reason.get("feedback")
    comment = spoken(reason, "feedback", said) if isinstance(said, str) else ""
    report = Report(
        external_id=derived(where.id, "thumbs_down", comment),
        kind="thumbs_down",
        at=where.at,
        conversation_id=where.conversation,
        turn_external_id=where.id,
        comment=comment,
    )
    return [report]
