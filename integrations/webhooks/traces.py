"""What a Bot Framework recognizer made of a message, as the traces of its turn tell.

A recognizer of the SDK traces `recognizerResult`; its offsets count UTF-16 units of its own `text`, which may not be
all of the message. Copilot Studio traces `IntentRecognition` and `IntentCandidates`, whose names and scores are called
differently by different parsers, and `UnknownIntent`, which is no fallback where documents gave a `GPTAnswer`.
"""

from functools import partial
from typing import Any, NamedTuple

from integrations.webhooks.collecting import ENTITIES, best, kept, scored, span, which
from integrations.webhooks.lenient import Fields
from service.turns.schemas import TEXT_LIMIT, Entity, IntentScore

NO_INTENT = ("None",)  # LUIS has an intent for what is out of scope
NAMES = ("intentName", "topicName", "intentTitle", "topIntent")
SCORES = ("score", "confidence", "intentScore")


class Understanding(NamedTuple):
    intents: tuple[IntentScore, ...] = ()
    entities: tuple[Entity, ...] = ()
    text: str = ""  # in which the entities stand
    is_unknown: bool = False  # no intent was recognized
    is_answered: bool = False  # all the same

    @property
    def is_fallback(self) -> bool:
        return self.is_unknown and not self.is_answered


def both(first: Understanding, second: Understanding) -> Understanding:
    """The longer list of intents, and whichever has entities."""
    longer = max(first, second, key=lambda one: len(one.intents))
    standing = first if first.entities else second
    is_unknown, is_answered = first.is_unknown or second.is_unknown, first.is_answered or second.is_answered
    return Understanding(longer.intents, standing.entities, standing.text, is_unknown, is_answered)


def understanding(trace: Fields) -> Understanding | None:
    """None where the trace tells of something else."""
    value = trace.get("value")
    if isinstance(value, dict) and isinstance(value.get("recognizerResult"), dict):
        return _recognized(trace.fields("value").fields("recognizerResult"))
    match trace.get("valueType"):
        case "UnknownIntent":
            return Understanding(is_unknown=True)
        case "GPTAnswer":
            return Understanding(is_answered=trace.fields("value").get("gptAnswerState") == "Answered")
        case "IntentRecognition":
            return Understanding(best(kept(trace, "value", [value], _topic)))
        case "IntentCandidates":
            return Understanding(best(kept(trace, "value", _candidates(value), _topic)))
        case _:
            return None


def _recognized(result: Fields) -> Understanding:
    text, scores = result.words("text", TEXT_LIMIT), kept(result, "intents", _scores(result.fields("intents")), scored)
    found = _instances(result.fields("entities").fields("$instance"))
    entities = kept(result, "entities", found[:ENTITIES], partial(_entity, text=text))
    is_none = any(score.name in NO_INTENT for score in best(scores)[:1])
    return Understanding(best(scores, NO_INTENT), tuple(entities), text, is_none)


def _scores(intents: Fields) -> list[dict[str, Any]]:
    """`{name: {score}}` as a list."""
    return [
        {"name": name, "score": value.get("score") if isinstance(value, dict) else value}
        for name, value in intents.items()
    ]


def _instances(types: Fields) -> list[dict[str, Any]]:
    """`{type: [instance]}` as a list."""
    listed = [(name, instance) for name, found in types.items() if isinstance(found, list) for instance in found]
    return [{**(instance if isinstance(instance, dict) else {}), "type": name} for name, instance in listed]


def _entity(fields: Fields, text: str) -> Entity:
    here = span(fields, text, "startIndex", "endIndex", "utf-16")
    score = fields.number("score") if fields.has("score") else None
    return Entity(fields.name("type"), text[here], here.start, here.stop, score)


def _candidates(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value.get("intentCandidates", value.get("candidates"))
    return value if isinstance(value, list) else []


def _topic(fields: Fields) -> IntentScore:
    return scored(fields, which(fields, *NAMES), which(fields, *SCORES))
