"""Blocks and views: a check as strict as Slack's own, for what Fencepost uses of Block Kit."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.slack import checks, elements
from tests.support.slack.checks import PLAIN, Json, Problems
from tests.support.slack.limits import LIMITS

# type: fields it may have, and those it must
MAY: Mapping[str, set[str]] = {
    "actions": {"block_id"},
    "context": {"block_id"},
    "divider": {"block_id"},
    "header": {"block_id"},
    "image": {"block_id", "title", "image_url", "slack_file"},
    "input": {"block_id", "hint", "optional", "dispatch_action"},
    "rich_text": {"block_id"},
    "section": {"block_id", "text", "fields", "accessory", "expand"},
}
MUST: Mapping[str, set[str]] = {
    "actions": {"elements"},
    "context": {"elements"},
    "header": {"text"},
    "image": {"alt_text"},
    "input": {"label", "element"},
    "rich_text": {"elements"},
}
RICH_CONTAINERS = {"rich_text_section", "rich_text_quote", "rich_text_preformatted", "rich_text_list"}
RICH_MAY: Mapping[str, set[str]] = {
    "text": {"style"},
    "user": {"style"},
    "link": {"text", "style", "unsafe"},
    "emoji": {"style", "unicode"},
    "broadcast": set(),
}
RICH_MUST: Mapping[str, set[str]] = {
    "text": {"text"},
    "user": {"user_id"},
    "link": {"url"},
    "emoji": {"name"},
    "broadcast": {"range"},
}
VIEW_MAY: Mapping[str, set[str]] = {
    "modal": {
        "submit",
        "close",
        "private_metadata",
        "callback_id",
        "external_id",
        "clear_on_close",
        "notify_on_close",
        "submit_disabled",
    },
    "home": {"private_metadata", "callback_id", "external_id"},
}
VIEW_MUST: Mapping[str, set[str]] = {"modal": {"title", "blocks"}, "home": {"blocks"}}


def problems(blocks: Sequence[Any]) -> list[str]:
    """What Slack would refuse the blocks of a message for."""
    return [*_blocks(blocks, "blocks of a message")]


def view_problems(view: Json) -> list[str]:
    """What Slack would refuse the modal or home view for."""
    return [*_view(view)]


def _view(view: Json) -> Problems:
    yield from checks.fields(view, VIEW_MAY, VIEW_MUST)
    yield from checks.texts(view, {"title": "view title", "submit": "view submit", "close": "view close"})
    bare = {"private_metadata": "private_metadata", "callback_id": "callback_id", "external_id": "external_id"}
    yield from checks.lengths(view, bare, 0)
    yield from _blocks(view.get("blocks", ()), "blocks of a view")
    has_inputs = any(block.get("type") == "input" for block in view.get("blocks", ()))
    if view.get("type") == "modal" and has_inputs and "submit" not in view:
        yield f"a modal with input blocks needs submit: {LIMITS['view submit'].source}"
    if len(json.dumps(view).encode()) > LIMITS["bytes of a view"].most:
        yield f"the view is larger than {LIMITS['bytes of a view'].most} bytes"


def _blocks(blocks: Sequence[Any], what: str) -> Problems:
    yield from checks.count(blocks, what)
    yield from checks.unique(blocks, "block_id")
    yield from checks.each(blocks, _block)


def _block(block: Json) -> Problems:
    yield from checks.fields(block, MAY, MUST)
    yield from checks.lengths(block, {"block_id": "block_id"})
    if block.get("type") in CHECKS and not MUST.get(block["type"], set()) - block.keys():
        yield from CHECKS[block["type"]](block)


def _actions(block: Json) -> Problems:
    yield from checks.count(block["elements"], "elements of actions")
    yield from checks.unique(block["elements"], "action_id")
    yield from checks.each(block["elements"], lambda one: elements.element(one, elements.IN_ACTIONS))


def _context(block: Json) -> Problems:
    yield from checks.count(block["elements"], "elements of context")
    yield from checks.each(block["elements"], _context_element)


def _context_element(given: Json) -> Problems:
    if given.get("type") == "image":
        yield from elements.element(given, {"image"})
    else:
        yield from checks.text(given, "section text")


def _section(block: Json) -> Problems:
    if "text" not in block and "fields" not in block:
        yield "section needs text or fields"
    if "text" in block:
        yield from checks.text(block["text"], "section text")
    if "fields" in block:
        yield from checks.count(block["fields"], "fields of a section")
        yield from checks.each(block["fields"], lambda one: checks.text(one, "field text"))
    if "accessory" in block:
        yield from elements.element(block["accessory"], elements.IN_SECTION)


def _input(block: Json) -> Problems:
    yield from checks.texts(block, {"label": "input label", "hint": "input hint"})
    yield from elements.element(block["element"], elements.IN_INPUT)


def _image(block: Json) -> Problems:
    yield from elements.image(block)
    yield from checks.texts(block, {"title": "image title"})


def _rich_text(block: Json) -> Problems:
    if not block["elements"]:
        yield "rich_text needs elements"
    yield from checks.each(block["elements"], _rich_container)


def _rich_container(container: Json) -> Problems:
    if container.get("type") not in RICH_CONTAINERS:
        yield f"rich_text holds no {container.get('type')!r}"
    elif container["type"] == "rich_text_list":
        yield from checks.each(container["elements"], _rich_container)
    else:
        yield from checks.each(container["elements"], _rich_element)


def _rich_element(given: Json) -> Problems:
    yield from checks.fields(given, RICH_MAY, RICH_MUST)
    if given.get("type") == "text" and not given.get("text"):
        yield "an empty text"


CHECKS: Mapping[str, Callable[[Json], Problems]] = {
    "actions": _actions,
    "context": _context,
    "header": lambda block: checks.text(block["text"], "header text", PLAIN),
    "image": _image,
    "input": _input,
    "rich_text": _rich_text,
    "section": _section,
}
