"""Notices of drift, and the view that names what people have begun to ask."""

from collections.abc import Sequence
from datetime import date

import msgspec

from integrations.slack.blocks.elements import Block, actions, button, cut, field, modal, rich, section, typed, words
from integrations.slack.blocks.names import PROPOSE, SEND, NoticePlace
from integrations.slack.blocks.talk import SHORT_TEXT, person, quote

NAME, DESCRIPTION = "name", "description"  # block and action ids of the view
NAME_TEXT, DESCRIPTION_TEXT = 200, 3000  # characters


class Drifted(msgspec.Struct, frozen=True, tag="drifted"):
    """An alert that opened. `moved`: what, in words; `proposal`: the cluster that grew most, if any did."""

    alert: int
    since: date
    moved: str
    proposal: int | None


class Calm(msgspec.Struct, frozen=True, tag="calm"):
    """An alert that closed."""

    alert: int
    since: date
    quiet: int  # days in a row without an alarm


def drifted(
    place: NoticePlace, news: Drifted, texts: Sequence[str], decided: tuple[str, str]
) -> tuple[str, list[str], list[Block]]:
    """Title, lines and blocks."""
    lines = [
        f"Since {news.since} people ask for other things than in the four weeks before. What moved: {news.moved}.",
        f"fencepost drift {place.bot} says how far.",
    ]
    shown = [rich([section(words("Turns that show it:\n")), *(quote(cut(text, SHORT_TEXT)) for text in texts)])]
    return "what people ask has changed", lines, [*(shown if texts else []), *_decided(*decided), _choice(place, news)]


def _choice(place: NoticePlace, news: Drifted) -> Block:
    propose = [] if news.proposal is None else [button(PROPOSE, "Propose intent", str(news.proposal))]
    return actions(place.block_id, [*propose, button(SEND, "Send 10 to review", str(news.alert))])


def _decided(what: str, who: str) -> list[Block]:
    said = {"review": " sent turns of it to review.", "propose": " made an intent of it."}.get(what)
    return [] if said is None else [rich([section(person(who), words(said))])]


def calm(news: Calm) -> tuple[str, list[str]]:
    return "the drift is over", [f"The change of {news.since} is the usual by now: {news.quiet} days without an alarm."]


def propose(metadata: str) -> Block:
    """Asks for the new intent's name."""
    name, description = typed(NAME, limit=NAME_TEXT), typed(DESCRIPTION, limit=DESCRIPTION_TEXT, multiline=True)
    hint = "Reviewers are asked about its typical turns first. Nothing is labelled by this."
    blocks = [
        field(NAME, "Name of the new intent", name, hint=hint),
        field(DESCRIPTION, "What its users want", description, optional=True),
    ]
    return modal(PROPOSE, "Propose intent", blocks, metadata, submit="Create")
