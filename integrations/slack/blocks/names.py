"""What a click, a choice or a submission says by its names: the card it belongs to, and what is wanted."""

from typing import Literal, NamedTuple, get_args

# action ids
ANSWER = "answer"  # answer:0, answer:none, …
OTHER = "other"
MORE = "more"
SKIP = "skip"
BACK = "back"  # its value is the card whose answer is taken back
AGAIN = "again"  # look for cards once more, the skipped ones too
TYPED = "typed"
START = "start"  # its value is the bot to review
PROMOTE = "promote"  # and the view that asks why
HOLD = "hold"  # likewise
SEND = "send"  # its value is the alert whose turns go to review
PROPOSE = "propose"  # its value is the proposal; and the view that asks for the intent's name

# callback ids of views, and values of the menu that opens them
REVIEW = "review"
Question = Literal["two", "new", "entities", "why"]
QUESTIONS: tuple[Question, ...] = get_args(Question)


class Place(NamedTuple):
    """The card that a block belongs to, as its block_id says: votes name the card, not the message."""

    bot: str
    card: str

    def block_id(self, part: str) -> str:
        return f"card:{self.bot}:{self.card}:{part}"


def place_of(block_id: str) -> Place:
    """ValueError for a block of another kind."""
    kind, bot, card, _part = block_id.split(":")
    if kind != "card":
        raise ValueError(f"{block_id!r} belongs to no card")
    return Place(bot, card)


class NoticePlace(NamedTuple):
    """The notice that a button belongs to."""

    bot: str
    notice: int

    @property
    def block_id(self) -> str:
        return f"notice:{self.bot}:{self.notice}"


def notice_place_of(block_id: str) -> NoticePlace:
    """ValueError for a block of another kind.

    >>> notice_place_of(NoticePlace("shop", 12).block_id)
    NoticePlace(bot='shop', notice=12)
    """
    kind, bot, notice = block_id.split(":")
    if kind != "notice":
        raise ValueError(f"{block_id!r} belongs to no notice")
    return NoticePlace(bot, int(notice))
