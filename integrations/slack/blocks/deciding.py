"""The view that asks an owner why, who decides about a challenger that its gate held."""

from integrations.slack.blocks.elements import Block, context, field, modal, typed
from integrations.slack.blocks.names import HOLD, PROMOTE
from service.classifiers.schemas import REASON_LIMIT

WHY = "reason"  # block and action id of the view
SAID = {
    PROMOTE: ("Promote", "It is in force at once, against its gate. You can roll back."),
    HOLD: ("Hold", "The classifier in force stays. An owner can still promote this one: see the console."),
}


def deciding(what: str, n: int, metadata: str) -> Block:
    """`what`: PROMOTE or HOLD, of classifier n."""
    verb, effect = SAID[what]
    asked = field(WHY, "Why?", typed(WHY, limit=REASON_LIMIT, multiline=True), hint="It stays in the bot's history.")
    return modal(what, f"{verb} classifier {n}?", [context(effect), asked], metadata, submit=verb)
