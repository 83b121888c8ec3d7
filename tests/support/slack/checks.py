"""Checks that every part of Block Kit shares. Each yields what Slack would refuse."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.support.slack.limits import LIMITS

Json = dict[str, Any]
Problems = Iterator[str]
PLAIN = ("plain_text",)


def each(items: Sequence[Any], check: Callable[[Json], Problems]) -> Problems:
    for index, item in enumerate(items):
        yield from (f"[{index}] {problem}" for problem in check(item))


def count(items: Sequence[Any], what: str, least: int = 1) -> Problems:
    if not least <= len(items) <= LIMITS[what].most:
        yield f"{len(items)} {what}, not {least} to {LIMITS[what].most}: {LIMITS[what].source}"


def length(text: object, what: str, least: int = 1) -> Problems:
    if not isinstance(text, str) or not least <= len(text) <= LIMITS[what].most:
        yield f"{what} is not {least} to {LIMITS[what].most} characters: {LIMITS[what].source}"


def unique(items: Sequence[Json], key: str) -> Problems:
    given = [item[key] for item in items if key in item]
    if len(given) != len(set(given)):
        yield f"{key} is not unique"


def fields(item: Json, known: Mapping[str, set[str]], needed: Mapping[str, set[str]]) -> Problems:
    """Slack refuses fields that it does not know, and misses those that it needs."""
    kind = item.get("type", "")
    if kind not in known:
        yield f"unknown type {kind!r}"
        return
    if extra := item.keys() - known[kind] - needed.get(kind, set()) - {"type"}:
        yield f"{kind} has no field {sorted(extra)}"
    if missing := needed.get(kind, set()) - item.keys():
        yield f"{kind} needs {sorted(missing)}"


def text(given: object, what: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Problems:
    if not isinstance(given, dict) or given.get("type") not in kinds:
        yield f"{what} is not {' or '.join(kinds)}"
        return
    allowed = {"plain_text": {"type", "text", "emoji"}, "mrkdwn": {"type", "text", "verbatim"}}[given["type"]]
    if extra := given.keys() - allowed:
        yield f"{what} has no field {sorted(extra)}"
    yield from length(given.get("text"), what)


def texts(item: Json, limits: Mapping[str, str]) -> Problems:
    """The item's plain texts, those it has."""
    for key, what in limits.items():
        if key in item:
            yield from text(item[key], what, PLAIN)


def lengths(item: Json, limits: Mapping[str, str], least: int = 1) -> Problems:
    """The item's bare strings, those it has."""
    for key, what in limits.items():
        if key in item:
            yield from length(item[key], what, least)


def option_problems(options: Sequence[Json]) -> list[str]:
    """An external select may be answered with no option at all; a static one may not have none."""
    return [*count(options, "options", 0), *each(options, option)]


def option(given: Json) -> Problems:
    if extra := given.keys() - {"text", "value", "description", "url"}:
        yield f"an option has no field {sorted(extra)}"
    yield from text(given.get("text"), "option text", PLAIN)
    yield from length(given.get("value"), "option value")
    yield from texts(given, {"description": "option description"})


def group(given: Json) -> Problems:
    yield from text(given.get("label"), "option group label", PLAIN)
    yield from count(given.get("options", ()), "options")
    yield from each(given.get("options", ()), option)


def confirm(given: Json) -> Problems:
    if given.keys() - {"style"} != {"title", "text", "confirm", "deny"}:
        yield "confirm needs title, text, confirm and deny and nothing else but style"
    yield from texts(given, {"title": "confirm title", "confirm": "confirm button", "deny": "confirm button"})
    yield from text(given.get("text"), "confirm text")
