"""What blocks are made of. Limits are Slack's, in characters; what is too long is cut with an ellipsis."""

from collections.abc import Iterable, Sequence

import msgspec

Block = dict[str, object]

BUTTON_TEXT = 75
OPTION_TEXT = 75
OPTIONS = 100  # of one answer to an external select
TITLE = 24  # of a view; its buttons too
INPUT_TEXT = 3000
ALT_TEXT = 2000


class Message(msgspec.Struct, frozen=True):
    """`text` stands in for the blocks in notifications and screen readers."""

    text: str
    blocks: tuple[Block, ...]


def escape(text: str) -> str:
    """For `text` fields, which Slack reads as mrkdwn: no mention and no link survives.

    >>> escape("<!channel> & <@U1>")
    '&lt;!channel&gt; &amp; &lt;@U1&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """
    >>> cut("cancel_order", 8)
    'cancel_…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}


def context(text: str) -> Block:
    return {"type": "context", "elements": [plain(text)]}


def rich(elements: Sequence[Block], block_id: str = "") -> Block:
    """Sections and quotes of rich text."""
    made: Block = {"type": "rich_text", "elements": list(elements)}
    return made | ({"block_id": block_id} if block_id else {})


def section(*elements: Block) -> Block:
    return {"type": "rich_text_section", "elements": list(elements)}


def words(text: str, **style: bool) -> Block:
    """Rich text that Slack shows letter by letter; never empty."""
    return {"type": "text", "text": text or "…"} | ({"style": style} if style else {})


def picture(file_id: str, alt: str) -> Block:
    """An image that was uploaded to Slack."""
    return {"type": "image", "slack_file": {"id": file_id}, "alt_text": cut(alt, ALT_TEXT)}


def user(user_id: str) -> Block:
    return {"type": "user", "user_id": user_id}


def actions(block_id: str, elements: Iterable[Block]) -> Block:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(action_id: str, text: str, value: str) -> Block:
    return {"type": "button", "action_id": action_id, "text": plain(cut(text, BUTTON_TEXT)), "value": value}


def search(action_id: str, placeholder: str, chosen: Block | None = None) -> Block:
    """Slack asks us for the options, so that there may be any number of them."""
    select: Block = {"type": "external_select", "action_id": action_id, "placeholder": plain(placeholder)}
    return select | {"min_query_length": 0} | ({"initial_option": chosen} if chosen else {})


def menu(action_id: str, named: dict[str, str]) -> Block:
    """The menu behind the three dots, from value to text."""
    return {
        "type": "overflow",
        "action_id": action_id,
        "options": [option(text, value) for value, text in named.items()],
    }


def option(text: str, value: str, description: str = "") -> Block:
    made: Block = {"text": plain(cut(text, OPTION_TEXT)), "value": value}
    return made | ({"description": plain(cut(description, OPTION_TEXT))} if description.strip() else {})


def options(found: Iterable[tuple[int, str, str]]) -> list[Block]:
    """Intents to choose from, out of (intent id, name, description)."""
    return [option(name, str(intent_id), description) for intent_id, name, description in list(found)[:OPTIONS]]


def field(block_id: str, label: str, element: Block, *, hint: str = "", optional: bool = False) -> Block:
    made: Block = {"type": "input", "block_id": block_id, "label": plain(label), "element": element}
    return made | ({"hint": plain(hint)} if hint else {}) | ({"optional": True} if optional else {})


def typed(action_id: str, *, initial: str = "", limit: int = INPUT_TEXT, multiline: bool = False) -> Block:
    made: Block = {"type": "plain_text_input", "action_id": action_id, "multiline": multiline, "max_length": limit}
    return made | ({"initial_value": initial} if initial else {})


def modal(
    callback_id: str, title: str, blocks: Sequence[Block], metadata: str, *, submit: str = "", close: str = "Cancel"
) -> Block:
    made: Block = {"type": "modal", "callback_id": callback_id, "title": plain(cut(title, TITLE))}
    made |= {"close": plain(close), "private_metadata": metadata, "blocks": list(blocks)}
    return made | ({"submit": plain(submit)} if submit else {})
