"""Drift as surfaces show it."""

from datetime import date, datetime
from typing import Literal

import msgspec

from service.learning.drift import Move, Statistic
from service.proposals.schemas import ProposalTurn

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


class Found(msgspec.Struct, frozen=True, array_like=True):
    """A statistic of a measured window, as it is kept; `corrected` is Holm's p. `subject`: the intent's id or the
    entity signature it is about."""

    name: str
    subject: int | str | None
    value: float
    by_chance: float
    p: float
    corrected: float
    is_alarm: bool


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of the turns from `since` to the end of `day`, against turns from `reference_since` on that
    came before, as the classifier `n` decides both."""

    day: date
    n: int
    since: date
    reference_since: date
    turns: int  # drawn, of different conversations
    reference_turns: int
    reason: str = ""  # why it is not measured; "": it is
    is_alarm: bool = False
    findings: tuple[Found, ...] = ()
    likeliest: tuple[int, ...] = ()  # turns that differ most, the farthest first
    versions: dict[str, date] = {}  # `bot_version`s that the reference lacks → their first day


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """How far a statistic of the window is from the reference's, what of that chance alone makes on average, and `p`,
    that chance makes as much; `corrected`: the same for so many statistics (Holm)."""

    name: str
    subject: str | None  # the intent's name, or the entity signature
    value: float
    by_chance: float
    p: float
    corrected: float
    is_alarm: bool


class DriftWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The turns from `since` to the end of `day`, in UTC, against the days from `reference_since` on before them."""

    day: date
    since: date
    reference_since: date
    n: int  # the classifier that decided both
    turns: int  # drawn, of different conversations
    reference_turns: int
    reason: str  # why it is not measured; "": it is
    is_alarm: bool
    findings: tuple[Finding, ...]
    likeliest: tuple[int, ...]  # ids of turns that differ most, the farthest first

    @property
    def alarms(self) -> list[Finding]:
        return [one for one in self.findings if one.is_alarm]


class Marker(msgspec.Struct, frozen=True):
    """What happened to the bot on a day. A promotion's name is the classifier's number, a version's its own; an
    import's says whether it was examples or the gold set."""

    day: date
    kind: Literal["promotion", "import", "bot_version"]
    name: str


class Drift(msgspec.Struct, frozen=True):
    windows: list[DriftWindow]  # by day
    markers: list[Marker]  # by day


class Moved(msgspec.Struct, frozen=True):
    """A statistic that was an alarm; `subject`: the intent's name, or the entity signature."""

    name: str
    subject: str | None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A bot's turns are not what they were."""

    id: int
    since: date  # the first day with an alarm
    opened_at: datetime
    closed_at: datetime | None
    moved: tuple[Moved, ...]  # at any time while it was open
    turns: tuple[ProposalTurn, ...]  # that differ most, of its newest window with an alarm
    proposals: tuple[int, ...]  # open ones whose cluster grew in the newest window; of a closed alert none
