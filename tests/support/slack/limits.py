"""What Slack allows, each line with the page that says so. Characters unless it says otherwise."""

from collections.abc import Mapping
from typing import NamedTuple

DOCS = "https://docs.slack.dev"
BLOCKS, ELEMENTS, OBJECTS = (
    f"{DOCS}/reference/block-kit/{kind}" for kind in ("blocks", "block-elements", "composition-objects")
)
VIEWS, METHODS, RATES = f"{DOCS}/reference/views", f"{DOCS}/reference/methods", f"{DOCS}/apis/web-api/rate-limits"
INTERACTION = f"{DOCS}/interactivity/handling-user-interaction"


class Limit(NamedTuple):
    most: int
    source: str


LIMITS: Mapping[str, Limit] = {
    # blocks
    "blocks of a message": Limit(50, BLOCKS),
    "blocks of a view": Limit(100, BLOCKS),
    "block_id": Limit(255, f"{BLOCKS}/actions-block"),
    "elements of actions": Limit(25, f"{BLOCKS}/actions-block"),
    "elements of context": Limit(10, f"{BLOCKS}/context-block"),
    "section text": Limit(3000, f"{BLOCKS}/section-block"),
    "fields of a section": Limit(10, f"{BLOCKS}/section-block"),
    "field text": Limit(2000, f"{BLOCKS}/section-block"),
    "header text": Limit(150, f"{BLOCKS}/header-block"),
    "input label": Limit(2000, f"{BLOCKS}/input-block"),
    "input hint": Limit(2000, f"{BLOCKS}/input-block"),
    "image title": Limit(2000, f"{BLOCKS}/image-block"),
    "alt_text": Limit(2000, f"{BLOCKS}/image-block"),
    "image_url": Limit(3000, f"{BLOCKS}/image-block"),
    # elements
    "action_id": Limit(255, f"{ELEMENTS}/button-element"),
    "button text": Limit(75, f"{ELEMENTS}/button-element"),
    "button value": Limit(2000, f"{ELEMENTS}/button-element"),
    "url": Limit(3000, f"{ELEMENTS}/button-element"),
    "accessibility_label": Limit(75, f"{ELEMENTS}/button-element"),
    "placeholder": Limit(150, f"{ELEMENTS}/select-menu-element"),
    "options": Limit(100, f"{ELEMENTS}/select-menu-element"),
    "option_groups": Limit(100, f"{ELEMENTS}/select-menu-element"),
    "options of an overflow": Limit(5, f"{ELEMENTS}/overflow-menu-element"),
    "typed text": Limit(3000, f"{ELEMENTS}/plain-text-input-element"),  # min_length's and max_length's own bound
    # composition objects
    "option text": Limit(75, f"{OBJECTS}/option-object"),
    "option description": Limit(75, f"{OBJECTS}/option-object"),
    "option value": Limit(150, f"{OBJECTS}/option-object"),
    "option group label": Limit(75, f"{OBJECTS}/option-group-object"),
    "confirm title": Limit(100, f"{OBJECTS}/confirmation-dialog-object"),
    "confirm text": Limit(300, f"{OBJECTS}/confirmation-dialog-object"),
    "confirm button": Limit(30, f"{OBJECTS}/confirmation-dialog-object"),
    # views
    "view title": Limit(24, f"{VIEWS}/modal-views"),
    "view submit": Limit(24, f"{VIEWS}/modal-views"),
    "view close": Limit(24, f"{VIEWS}/modal-views"),
    "private_metadata": Limit(3000, f"{VIEWS}/modal-views"),
    "callback_id": Limit(255, f"{VIEWS}/modal-views"),
    "external_id": Limit(255, f"{VIEWS}/modal-views"),
    "bytes of a view": Limit(250_000, f"{METHODS}/views.open"),
    "views on a stack": Limit(3, f"{METHODS}/views.push"),
    # messages
    "message text": Limit(40_000, f"{METHODS}/chat.postMessage"),
    "page of history": Limit(999, f"{METHODS}/conversations.history"),
    # interaction
    "seconds a trigger lives": Limit(3, f"{INTERACTION}"),
    "uses of a response_url": Limit(5, f"{INTERACTION}"),
    "seconds a response_url lives": Limit(30 * 60, f"{INTERACTION}"),
}

TIERS: Mapping[int, Limit] = {
    # Slack says "20+" and tolerates bursts that it does not describe: here the number is the most.
    1: Limit(1, RATES),
    2: Limit(20, RATES),
    3: Limit(50, RATES),
    4: Limit(100, RATES),
}
POST_PACE_S = Limit(1, RATES)  # seconds between two posts in a channel; Slack tolerates short bursts, the stand-in none

# Each method's own page (METHODS/name) says its tier.
TIER_OF: Mapping[str, int] = {
    # apps.connections.open is tier 1, but a client that reconnects calls it more often: Slack's bursts let it.
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.update": 3,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.join": 3,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "usergroups.users.list": 2,
    "users.info": 4,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
