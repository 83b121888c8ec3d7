"""The review modal: one card after the other in one view, and a page for when there is none."""

from collections.abc import Sequence
from typing import NamedTuple

from integrations.slack.blocks.channel import answer_rows, place_of_view
from integrations.slack.blocks.elements import Block, actions, button, context, cut, modal, rich
from integrations.slack.blocks.metadata import Sitting, encode
from integrations.slack.blocks.names import AGAIN, BACK, REVIEW, SKIP, Place
from integrations.slack.blocks.talk import NAME_TEXT, Said, answers, conversation
from service.reviews.schemas import CardView

NOTE_TEXT = 300
BLIND = "Asked blind: please answer by the text alone."
SPLIT = "The answers so far do not agree, or somebody was unsure: yours decides."


class Progress(NamedTuple):
    """Cards the reviewer answered today, and what "back" takes back: the last of them, its text and their answer."""

    today: int
    last: str = ""
    text: str = ""
    answer: str = ""


def review(view: CardView, progress: Progress, sitting: Sitting, *, said: Sequence[Said] = (), note: str = "") -> Block:
    """One card. A blind one shows nothing of `said`, except where an adjudicator decides between the answers."""
    place = place_of_view(view)
    is_split = view.status == "adjudicate"
    about = SPLIT if is_split else BLIND if view.blind else ""
    shown = [
        *_notes(note, _done(progress), about),
        rich([*conversation(view), *answers(said if is_split or not view.blind else ())], place.block_id("turn")),
        *answer_rows(view),
        actions(place.block_id("walk"), [*_back(progress), button(SKIP, "Skip", "skip")]),
    ]
    return _modal(sitting, shown)


def nothing_left(progress: Progress, sitting: Sitting, coming: str, *, note: str = "") -> Block:
    """`coming`: when to look again, in words."""
    skipped = len(sitting.skipped)
    again = f"Show the {skipped} skipped" if skipped else "Look again"
    walk = actions(Place(sitting.bot, "").block_id("walk"), [*_back(progress), button(AGAIN, again, "again")])
    return _modal(sitting, [*_notes(note, "No card is waiting for you.", coming, _done(progress)), walk])


def refused(bot: str, reason: str) -> Block:
    """The role was taken away meanwhile."""
    return _modal(Sitting(bot), _notes(reason))


def _modal(sitting: Sitting, shown: Sequence[Block]) -> Block:
    """Slack says when it is closed: its card then goes back."""
    return modal(REVIEW, f"Review {sitting.bot}", shown, encode(sitting), close="Done") | {"notify_on_close": True}


def _notes(*texts: str) -> list[Block]:
    return [context(cut(text, NOTE_TEXT)) for text in texts if text]


def _done(progress: Progress) -> str:
    """
    >>> _done(Progress(12, "c1", "where is my card", "card_arrival"))
    '12 today · last: “where is my card” → card_arrival'
    """
    last = f" · last: “{cut(progress.text, NAME_TEXT)}” → {cut(progress.answer, NAME_TEXT)}" if progress.last else ""
    return f"{progress.today} today{last}"


def _back(progress: Progress) -> list[Block]:
    """It takes one certain answer back, so that a second click on it does nothing more."""
    return [button(BACK, "Back", progress.last)] if progress.last else []
