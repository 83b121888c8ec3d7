"""The intents that *Other…* offers, for whatever was typed."""

from collections.abc import Callable, Sequence
from typing import Any

from rapidfuzz import fuzz, process, utils
from slack_bolt import Ack

from integrations.slack.blocks import OPTIONS, options, place_of
from integrations.slack.blocks.frames import fitting
from integrations.slack.desk import Desk
from service import database
from service.intents.schemas import Intent
from service.intents.store import list_intents

GOOD_MATCH = 60  # of 100
DESCRIPTION = 0.8  # how much a description's likeness counts beside a name's
DESCRIPTION_TEXT = 200  # of it are looked at: more takes time, and only 75 characters are shown


def on_options(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """The intents that match what was typed, best first; all by name when nothing was: as many as Slack and a frame
    take."""
    place = place_of(body["block_id"])
    with database.reading(desk.context.engine) as connection:
        found = search(list_intents(connection, place.bot), body.get("value") or "")
    ack(options=fitting(options((intent.id, intent.name, intent.description) for intent in found)))


def search(intents: Sequence[Intent], typed: str) -> list[Intent]:
    """Intents whose name, or else description, is like `typed`, best first; of equals the first by name.

    >>> from datetime import datetime
    >>> known = {"refund": "money back", "lost_card": "it is gone", "card_arrival": "where it is"}
    >>> some = [Intent(bot="b", id=1, name=n, description=d, created_at=datetime.min) for n, d in known.items()]
    >>> [intent.name for intent in search(some, "crd lost")], [intent.name for intent in search(some, "mony back")]
    (['lost_card'], ['refund'])
    """
    by_name = sorted(intents, key=lambda intent: intent.name)
    if not typed.strip():
        return by_name
    names = _likeness(fuzz.WRatio, typed, [intent.name.replace("_", " ") for intent in by_name])
    descriptions = _likeness(fuzz.partial_ratio, typed, [intent.description[:DESCRIPTION_TEXT] for intent in by_name])
    likeness = [max(name, DESCRIPTION * text) for name, text in zip(names, descriptions, strict=True)]
    ranked = sorted(range(len(by_name)), key=lambda n: -likeness[n])
    return [by_name[n] for n in ranked[:OPTIONS] if likeness[n] >= GOOD_MATCH]


def _likeness(scorer: Callable[..., float], typed: str, texts: Sequence[str]) -> list[float]:
    """Of each text, from 0 to 100."""
    found = process.extract(typed, texts, scorer=scorer, processor=utils.default_process, limit=None)
    scores = {n: score for _text, score, n in found}
    return [scores.get(n, 0.0) for n in range(len(texts))]
