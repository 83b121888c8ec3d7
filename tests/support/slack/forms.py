"""What stands in the fields of a view."""

from collections.abc import Iterator, Mapping

from tests.support.slack.checks import Json

STATEFUL = {"plain_text_input", "external_select", "static_select"}


class CannotSubmit(Exception):
    """Slack's own client would not send this: the field is empty, too short or too long."""


def fields(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Blocks and the elements in them that hold a value."""
    for block in blocks:
        yield from ((block, one) for one in elements(block) if one["type"] in STATEFUL and "action_id" in one)


def elements(block: Json) -> list[Json]:
    """What can be clicked, chosen or filled in the block."""
    if block["type"] == "actions":
        return list(block["elements"])
    if block["type"] == "input":
        return [block["element"]]
    return [block["accessory"]] if "accessory" in block else []


def values(blocks: list[Json], before: Mapping[str, Json]) -> dict[str, Json]:
    """`state.values` of new blocks: what was filled in before, else what the field begins with."""
    found: dict[str, Json] = {}
    for block, element in fields(blocks):
        kept = before.get(block["block_id"], {}).get(element["action_id"])
        same = kept is not None and kept["type"] == element["type"]
        found.setdefault(block["block_id"], {})[element["action_id"]] = kept if same else initial(element)
    return found


def initial(element: Json) -> Json:
    if element["type"] == "plain_text_input":
        return {"type": element["type"], "value": element.get("initial_value")}
    return {"type": element["type"], "selected_option": element.get("initial_option")}


def fill(view: Json, name: str, value: object) -> None:
    """Set the field with this block_id, action_id or label to a text or an option; a listed option goes by its text."""
    block, element = next(
        (block, element) for block, element in fields(view["blocks"]) if name in _names(block, element)
    )
    state = view["state"]["values"][block["block_id"]][element["action_id"]]
    if element["type"] == "plain_text_input":
        state["value"] = value or None
    else:
        state["selected_option"] = option(element, value) if isinstance(value, str) else value


def option(element: Json, text: str) -> Json:
    """The static select's or overflow's option whose text begins so."""
    groups = element.get("option_groups") or [{"options": element["options"]}]
    found: Json = next(one for group in groups for one in group["options"] if one["text"]["text"].startswith(text))
    return found


def _names(block: Json, element: Json) -> set[str]:
    return {block["block_id"], element["action_id"], (block.get("label") or {}).get("text", element["action_id"])}


def check(view: Json) -> None:
    """CannotSubmit for the first field that the client would complain about."""
    if not view["submit"]:
        raise CannotSubmit("the view has no submit")
    for block, element in fields(view["blocks"]):
        if block["type"] == "input":
            _check(block, element, view["state"]["values"][block["block_id"]][element["action_id"]])


def _check(block: Json, element: Json, state: Json) -> None:
    given = state.get("value") or state.get("selected_option")
    if not given:
        if not block.get("optional"):
            raise CannotSubmit(f"{block['label']['text']} is empty")
        return
    if isinstance(given, str) and not element.get("min_length", 0) <= len(given) <= element.get("max_length", 3000):
        raise CannotSubmit(f"{block['label']['text']} is too short or too long")
