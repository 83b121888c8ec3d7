"""Slack's limits on messages, and a check as strict as Slack's own. Characters unless it says otherwise."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

DOCS = "https://docs.slack.dev/reference/block-kit"
# what: (limit, where it is documented)
LIMITS: Mapping[str, tuple[int, str]] = {
    "blocks of a message": (50, f"{DOCS}/blocks"),
    "block_id": (255, f"{DOCS}/blocks/actions-block"),
    "action_id": (255, f"{DOCS}/block-elements/button-element"),
    "elements of actions": (25, f"{DOCS}/blocks/actions-block"),
    "elements of context": (10, f"{DOCS}/blocks/context-block"),
    "section text": (3000, f"{DOCS}/blocks/section-block"),
    "header text": (150, f"{DOCS}/blocks/header-block"),
    "button text": (75, f"{DOCS}/block-elements/button-element"),
    "button value": (2000, f"{DOCS}/block-elements/button-element"),
    "placeholder": (150, f"{DOCS}/block-elements/select-menu-element"),
    "options": (100, f"{DOCS}/block-elements/select-menu-element"),
    "option text": (75, f"{DOCS}/composition-objects/option-object"),
    "option description": (75, f"{DOCS}/composition-objects/option-object"),
    "option value": (150, f"{DOCS}/composition-objects/option-object"),
    "message text": (40_000, "https://docs.slack.dev/reference/methods/chat.postMessage"),
}
FIELDS = {
    "section": {"type", "block_id", "text", "fields", "accessory", "expand"},
    "context": {"type", "block_id", "elements"},
    "actions": {"type", "block_id", "elements"},
    "header": {"type", "block_id", "text"},
    "divider": {"type", "block_id"},
    "rich_text": {"type", "block_id", "elements"},
}
ELEMENT_FIELDS = {
    "button": {"type", "action_id", "text", "value", "url", "style", "confirm", "accessibility_label"},
    "overflow": {"type", "action_id", "options", "confirm"},
    "external_select": {"type", "action_id", "placeholder", "initial_option", "min_query_length", "confirm"},
    "static_select": {"type", "action_id", "placeholder", "options", "option_groups", "initial_option", "confirm"},
}
RICH_CONTAINERS = {"rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list"}
RICH_FIELDS = {
    "text": {"type", "text", "style"},
    "user": {"type", "user_id", "style"},
    "link": {"type", "url", "text", "style"},
    "emoji": {"type", "name", "style"},
    "broadcast": {"type", "range"},
}
Problems = Iterator[str]


def problems(blocks: Sequence[Any]) -> list[str]:
    """What Slack would refuse the blocks for."""
    return [*_too_many(blocks, "blocks of a message"), *_twice(blocks, "block_id"), *_each(blocks, _block)]


def _each(items: Sequence[Any], check: Callable[[dict[str, Any]], Problems]) -> Problems:
    for index, item in enumerate(items):
        yield from (f"[{index}] {problem}" for problem in check(item))


def _too_many(items: Sequence[Any], what: str) -> Problems:
    if not 1 <= len(items) <= LIMITS[what][0]:
        yield f"{len(items)} {what}, not 1 to {LIMITS[what][0]}: {LIMITS[what][1]}"


def _length(text: object, what: str, least: int = 1) -> Problems:
    if not isinstance(text, str) or not least <= len(text) <= LIMITS[what][0]:
        yield f"{what} is not {least} to {LIMITS[what][0]} characters: {LIMITS[what][1]}"


def _twice(items: Sequence[Any], key: str) -> Problems:
    given = [item[key] for item in items if key in item]
    if len(given) != len(set(given)):
        yield f"{key} is not unique"


def _fields(item: Mapping[str, Any], known: Mapping[str, set[str]]) -> Problems:
    if item.get("type") not in known:
        yield f"unknown type {item.get('type')}"
    elif extra := item.keys() - known[item["type"]]:
        yield f"{item['type']} has no field {sorted(extra)}"


def _block(block: dict[str, Any]) -> Problems:
    yield from _fields(block, FIELDS)
    if "block_id" in block:
        yield from _length(block["block_id"], "block_id")
    yield from CHECKS.get(block.get("type", ""), lambda _: iter(()))(block)


def _actions(block: dict[str, Any]) -> Problems:
    yield from _too_many(block["elements"], "elements of actions")
    yield from _twice(block["elements"], "action_id")
    yield from _each(block["elements"], _element)


def _element(element: dict[str, Any]) -> Problems:
    yield from _fields(element, ELEMENT_FIELDS)
    yield from _length(element.get("action_id"), "action_id")
    if element["type"] == "button":
        yield from _text(element["text"], "button text", kinds=("plain_text",))
        yield from _length(element.get("value", ""), "button value", 0)
    if "placeholder" in element:
        yield from _text(element["placeholder"], "placeholder", kinds=("plain_text",))
    if "options" in element:
        yield from option_problems(element["options"])


def option_problems(options: Sequence[dict[str, Any]]) -> list[str]:
    """An external select may be answered with no option at all; a static one may not have none."""
    found = _too_many(options, "options") if options else iter(())
    return [*found, *_each(options, _option)]


def _option(option: dict[str, Any]) -> Problems:
    yield from _text(option["text"], "option text", kinds=("plain_text",))
    yield from _length(option["value"], "option value")
    if "description" in option:
        yield from _text(option["description"], "option description", kinds=("plain_text",))


def _text(given: dict[str, Any], what: str, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Problems:
    if given.get("type") not in kinds:
        yield f"{what} is not {' or '.join(kinds)}"
    yield from _length(given.get("text"), what)


def _context(block: dict[str, Any]) -> Problems:
    yield from _too_many(block["elements"], "elements of context")
    yield from _each(block["elements"], lambda element: _text(element, "section text"))


def _rich_text(block: dict[str, Any]) -> Problems:
    for container in block["elements"]:
        if container.get("type") not in RICH_CONTAINERS:
            yield f"rich_text holds no {container.get('type')}"
        yield from _each(container["elements"], _rich_element)


def _rich_element(element: dict[str, Any]) -> Problems:
    yield from _fields(element, RICH_FIELDS)
    if element["type"] == "text" and not element["text"]:
        yield "an empty text"


CHECKS: Mapping[str, Callable[[dict[str, Any]], Problems]] = {
    "actions": _actions,
    "context": _context,
    "rich_text": _rich_text,
    "section": lambda block: _text(block["text"], "section text"),
    "header": lambda block: _text(block["text"], "header text", kinds=("plain_text",)),
}
