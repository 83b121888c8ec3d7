"""Amazon Lex V2: conversation logs, one record or a list, also inside what a CloudWatch Logs subscription delivers
(`logEvents`, or `awslogs.data` as gzip in base64).

Published at https://docs.aws.amazon.com/lexv2/latest/dg/conversation-logs-cw.html and, for the envelope,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html. Slots come without offsets, so there
are no entities. `interpretations` give a margin: their `nluConfidence` is a string, and absent on intents that are
built in, such as the fallback.

What a bot asks for is answered with "yes" or "Lyon", which Lex logs as the asking intent at a confidence of 1. Such a
turn is context. Where the record before it is in the same delivery, that tells. A record that comes alone is an answer
where it confirms or denies, or is, whole, the value of a slot. Certainty tells nothing more: "a room in Lyon" begins an
intent at 1, slots filled, when the bot's sample utterances hold it so. An answer taken for an utterance costs a card;
an utterance taken for an answer is never seen again.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from integrations.webhooks.collecting import LANG, WORD, Item, best, collect, kept, listed, spoken, unpacked, unsaid
from integrations.webhooks.lenient import NAME, Fields
from integrations.webhooks.loading import load
from service.errors import TooLarge
from service.turns.intake import gunzip
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import ID_LIMIT, Fact, IntentScore, Note, Reply, Turn

MARGIN: Margin = "yes"
UNVERIFIED = ("awslogs.data of a subscription", "inputMode DTMF", "a slot's answer in a record that comes alone")
FALLBACKS = ("FallbackIntent",)
ASKING = ("ElicitSlot", "ElicitSubSlot", "ConfirmIntent")


class Dialog(NamedTuple):
    """Where a record leaves its session: what the bot does next, for which intent."""

    action: str
    intent: str


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    left: dict[str, Dialog] = {}  # by session
    for place, record in _records(body, notes):
        fields = Fields(record if isinstance(record, dict) else {}, "", 0, [])
        session = fields.words("sessionId", ID_LIMIT)
        yield Item(place, record, partial(_facts, before=left.get(session), received_at=received_at))
        if session:
            left[session] = _dialog(fields)


def _records(body: Any, notes: list[Note]) -> Iterable[tuple[Place, Any]]:
    if isinstance(body, list):
        return listed(body, "")
    event = Fields(body, "", 0, notes)
    if event.has("awslogs"):
        return _logged(Fields(_opened(event.fields("awslogs")), "awslogs.data", 0, notes))
    return _logged(event) if event.has("logEvents") else [(Place(0, ""), body)]


def _opened(envelope: Fields) -> Any:
    packed = envelope.string("data").encode("utf-8", "replace")
    try:
        return load(gunzip(base64.b64decode(packed, validate=True)))
    except (binascii.Error, Fault, TooLarge) as error:
        raise Fault("bad-encoding", envelope.path("data"), "not JSON as gzip in base64, or too large") from error


def _logged(subscription: Fields) -> Iterator[tuple[Place, Any]]:
    if subscription.get("messageType") == "CONTROL_MESSAGE":
        subscription.note("messageType", "control-message", "skipped: CloudWatch looks whether somebody listens")
        return
    for place, event in listed(subscription.get("logEvents"), subscription.path("logEvents")):
        message = event.get("message") if isinstance(event, dict) else event
        yield Place(place.position, f"{place.path}.message"), unpacked(message)


def _dialog(record: Fields) -> Dialog:
    state = record.fields("sessionState")
    return Dialog(state.fields("dialogAction").words("type", WORD), state.fields("intent").words("name", NAME))


def _facts(record: Fields, before: Dialog | None, received_at: datetime) -> list[Fact]:
    own_id = record.id("requestId")
    if unsaid(record, "inputTranscript"):
        return []
    turn = _turn(record, own_id, before, received_at)
    said = [message.get("content") for message in record.list("messages") if isinstance(message, dict)]
    text = spoken(record, "messages", "\n".join(content for content in said if isinstance(content, str)))
    return [turn, _reply(turn, text, _dialog(record).intent)] if text else [turn]


def _turn(record: Fields, own_id: str, before: Dialog | None, received_at: datetime) -> Turn:
    bot, scores = record.fields("bot"), kept(record, "interpretations", record.list("interpretations"), _score)
    return Turn(
        external_id=own_id,
        text=record.text("inputTranscript"),
        at=record.instant("timestamp", received_at),
        conversation_id=record.optional_id("sessionId"),
        lang=bot.words("localeId", LANG).replace("_", "-"),
        channel=record.words("inputMode", WORD),
        bot_version=bot.words("version", WORD),
        intents=best(scores, FALLBACKS),
        is_fallback=record.flag("missedUtterance") or _dialog(record).intent in FALLBACKS,
        is_slot_fill=_is_answer(record, before),
    )


def _score(interpretation: Fields) -> IntentScore | None:
    if not interpretation.has("nluConfidence"):
        return None
    return IntentScore(interpretation.fields("intent").name("name"), interpretation.number("nluConfidence"))


def _reply(turn: Turn, text: str, intent: str) -> Reply:
    own_id = turn.external_id
    return Reply(
        external_id=own_id,
        text=text,
        at=turn.at,
        conversation_id=turn.conversation_id,
        turn_external_id=own_id,
        intent="" if intent in FALLBACKS else intent,
    )


def _is_answer(record: Fields, before: Dialog | None) -> bool:
    """Whether the turn is what the bot had asked for; `before`: where the session stood, when known."""
    dialog = _dialog(record)
    if record.get("inputMode") == "DTMF":
        return True
    if before is not None:
        return before.action in ASKING and before.intent == dialog.intent
    if dialog.action == "ElicitIntent" or dialog.intent in FALLBACKS:
        return False
    return _reads_as_answer(record)


def _reads_as_answer(record: Fields) -> bool:
    """A yes or no to a confirmation, or a transcript that is a slot's value."""
    intent = record.fields("sessionState").fields("intent")
    if intent.get("confirmationState") in ("Confirmed", "Denied"):
        return True
    values = (_values(slot) for _, slot in intent.fields("slots").items() if isinstance(slot, dict))
    return record.get("inputTranscript") in chain.from_iterable(values)


def _values(slot: dict[str, Any]) -> Iterator[str]:
    """What was said for it; a slot of the shape List has several values."""
    several = slot.get("values")
    for one in (slot, *(several if isinstance(several, list) else ())):
        match one:
            case {"value": {"originalValue": str(said)}}:
                yield said
