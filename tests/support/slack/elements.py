"""Buttons, selects and inputs: what Slack would refuse one for."""

from collections.abc import Mapping
from typing import Any

from tests.support.slack import checks
from tests.support.slack.checks import Json, Problems
from tests.support.slack.limits import LIMITS

# type: fields it may have, and those it must
MAY: Mapping[str, set[str]] = {
    "button": {"action_id", "value", "url", "style", "confirm", "accessibility_label"},
    "external_select": {"action_id", "placeholder", "initial_option", "min_query_length", "confirm", "focus_on_load"},
    "static_select": {
        "action_id",
        "placeholder",
        "options",
        "option_groups",
        "initial_option",
        "confirm",
        "focus_on_load",
    },
    "overflow": {"action_id", "confirm"},
    "plain_text_input": {
        "action_id",
        "initial_value",
        "multiline",
        "min_length",
        "max_length",
        "dispatch_action_config",
        "focus_on_load",
        "placeholder",
    },
    "image": {"image_url", "slack_file"},
}
MUST: Mapping[str, set[str]] = {"button": {"text"}, "overflow": {"options"}, "image": {"alt_text"}}
IN_ACTIONS = {"button", "external_select", "static_select", "overflow"}
IN_INPUT = {"plain_text_input", "external_select", "static_select"}
IN_SECTION = {*IN_ACTIONS, "image"}
STYLES = {"primary", "danger"}


def element(given: Json, allowed: set[str]) -> Problems:
    if given.get("type") not in allowed:
        yield f"{given.get('type')!r} may not stand here, only {sorted(allowed)}"
        return
    yield from checks.fields(given, MAY, MUST)
    yield from checks.lengths(given, {"action_id": "action_id", "url": "url"})
    yield from checks.texts(given, {"placeholder": "placeholder"})
    if "confirm" in given:
        yield from checks.confirm(given["confirm"])
    yield from CHECKS[given["type"]](given)


def _button(given: Json) -> Problems:
    yield from checks.texts(given, {"text": "button text"})
    yield from checks.lengths(given, {"value": "button value"}, 0)
    yield from checks.lengths(given, {"accessibility_label": "accessibility_label"})
    if given.get("style", "primary") not in STYLES:
        yield f"button style is none of {sorted(STYLES)}"


def _static_select(given: Json) -> Problems:
    options = given.get("options", ())
    if ("options" in given) == ("option_groups" in given):
        yield "static_select needs options or option_groups, not both"
    if "options" in given:
        yield from checks.count(options, "options")
        yield from checks.each(options, checks.option)
    if "option_groups" in given:
        yield from checks.count(given["option_groups"], "option_groups")
        yield from checks.each(given["option_groups"], checks.group)
        options = [one for group in given["option_groups"] for one in group.get("options", ())]
    if "initial_option" in given and given["initial_option"] not in options:
        yield "initial_option is none of the options"


def _external_select(given: Json) -> Problems:
    if "initial_option" in given:
        yield from checks.option(given["initial_option"])


def _overflow(given: Json) -> Problems:
    yield from checks.count(given.get("options", ()), "options of an overflow")
    yield from checks.each(given.get("options", ()), checks.option)


def _plain_text_input(given: Json) -> Problems:
    most = LIMITS["typed text"].most
    low, high = given.get("min_length", 0), given.get("max_length", most)
    if not 0 <= low <= high <= most or high < 1:
        yield f"min_length and max_length are not 0 to {most}: {LIMITS['typed text'].source}"
    if not isinstance(given.get("initial_value", ""), str) or len(given.get("initial_value", "")) > high:
        yield "initial_value is longer than max_length"


def image(given: Json) -> Problems:
    """Of the block and of the element alike."""
    if ("image_url" in given) == ("slack_file" in given):
        yield "image needs image_url or slack_file, not both"
    if "slack_file" in given and given["slack_file"].keys() not in ({"id"}, {"url"}):
        yield "slack_file needs id or url, not both"
    yield from checks.lengths(given, {"image_url": "image_url", "alt_text": "alt_text"})


CHECKS: Mapping[str, Any] = {
    "button": _button,
    "external_select": _external_select,
    "static_select": _static_select,
    "overflow": _overflow,
    "plain_text_input": _plain_text_input,
    "image": image,
}
