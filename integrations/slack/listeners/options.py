"""The intents that *Other…* offers, for whatever was typed."""

from typing import Any

from rapidfuzz import fuzz, process, utils
from slack_bolt import Ack

from integrations.slack.blocks import OPTIONS, options, place_of
from integrations.slack.desk import Desk
from service import database
from service.intents.schemas import Intent
from service.intents.store import list_intents

GOOD_MATCH = 60  # of 100


def on_options(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """The intents that match what was typed, best first; all by name when nothing was."""
    place = place_of(body["block_id"])
    with database.reading(desk.context.engine) as connection:
        found = search(list_intents(connection, place.bot), body.get("value") or "")
    ack(options=options((intent.id, intent.name, intent.description) for intent in found))


def search(intents: list[Intent], typed: str) -> list[Intent]:
    """Live intents whose name, or else description, is like `typed`, best first."""
    by_name = sorted(intents, key=lambda intent: intent.name)
    if not typed.strip():
        return by_name
    texts = {n: f"{intent.name.replace('_', ' ')} {intent.description}" for n, intent in enumerate(by_name)}
    matches = process.extract(
        typed,
        texts,
        scorer=fuzz.WRatio,
        processor=utils.default_process,
        limit=OPTIONS,
        score_cutoff=GOOD_MATCH,
    )
    return [by_name[n] for _text, _score, n in matches]
