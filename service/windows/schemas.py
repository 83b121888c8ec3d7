"""Drift as surfaces show it."""

from datetime import datetime

import msgspec

from service.learning.drift import Move, Statistic

LEVEL = 0.001  # p, after Holm's correction, below which a move counts as one


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Turns after `since`, up to and with `until`, of event time."""

    since: datetime
    until: datetime
    turns: int  # that count: the champion has decided them
    undecided: int


class IntentMove(msgspec.Struct, frozen=True):
    intent: str  # its name, or `none`: out of scope
    move: Move

    @property
    def is_significant(self) -> bool:
        return self.move.p < LEVEL


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """How the intents' shares of the turns moved, as the champion `n` decides them."""

    n: int
    before: Window
    after: Window
    psi: Statistic
    jensen_shannon: Statistic
    moves: tuple[IntentMove, ...]  # the surest first, of these the farthest

    @property
    def significant(self) -> list[IntentMove]:
        return [one for one in self.moves if one.is_significant]


class Unmeasured(msgspec.Struct, frozen=True):
    reason: str
