"""The view that asks what the bot got wrong."""

from integrations.slack.blocks.elements import Block, context, cut, field, modal, option, plain, rich, search
from integrations.slack.blocks.names import OTHER, Place
from integrations.slack.blocks.talk import TURN_TEXT, quote

TITLE = "Report wrong intent"
WHICH = "which"  # action id
NO_CARD = "-"


def report(callback_id: str, bot: str, turns: list[tuple[str, str]], metadata: str, *, names_intents: bool) -> Block:
    """`turns`: ids of cards and texts; the person chooses where there are several."""
    blocks = [_which(bot, turns)] if len(turns) > 1 else [rich([quote(cut(text, TURN_TEXT))]) for _, text in turns]
    if names_intents:
        blocks.append(_intent(bot))
    if not blocks:
        blocks.append(context("The bot's owner will see that this answer was wrong."))
    return modal(callback_id, TITLE, blocks, metadata, submit="Report")


def told(callback_id: str, text: str) -> Block:
    return modal(callback_id, TITLE, [context(text)], "", close="Close")


def _which(bot: str, turns: list[tuple[str, str]]) -> Block:
    options = [option(text, card) for card, text in turns]
    chosen: Block = {"type": "static_select", "action_id": WHICH, "placeholder": plain("Choose"), "options": options}
    return field(_part(bot, "card"), "Which one?", chosen)


def _intent(bot: str) -> Block:
    hint = "Leave it empty if you only know that the bot was wrong."
    label = "What should the bot have understood?"
    return field(_part(bot, "intent"), label, search(OTHER, "Find an intent"), hint=hint, optional=True)


def _part(bot: str, part: str) -> str:
    return Place(bot, NO_CARD).block_id(part)
