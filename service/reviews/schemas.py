"""Cards, votes and labels as records."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from service.bots.schemas import Policy
from service.learning.confidence import Whose

Purpose = Literal["rank", "audit", "flip"]
CardStatus = Literal["open", "resolved", "adjudicate", "withdrawn"]
Answer = Literal["intent", "none", "unsure", "two", "new", "undo"]
LabelAnswer = Literal["intent", "none", "two", "undo"]
Use = Literal["train", "audit", "flip", "gold"]
Origin = Literal["vote", "import", "weak", "fold"]
Surface = Literal["console", "slack", "terminal", "api"]

USES: dict[str, Use] = {"rank": "train", "audit": "audit", "flip": "flip"}
NAME_LIMIT = 200  # characters of an intent's or a reviewer's name
WHY_LIMIT = 1_000  # characters of a reviewer's reason
TYPE_LIMIT = 100  # characters of an entity's type
SPANS_LIMIT = 100  # entities of one answer


class Span(NamedTuple):
    """An entity as a reviewer drew it: character offsets into the card's text."""

    start: int
    end: int
    type: Annotated[str, Meta(min_length=1, max_length=TYPE_LIMIT)]


class Reviewer(NamedTuple):
    """Who votes. An adjudicator also gets the cards others were unsure about or did not agree on."""

    name: str
    adjudicates: bool = False


Spans = Annotated[tuple[Span, ...], Meta(max_length=SPANS_LIMIT)] | None  # None: entities were not looked at


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer answers. A repeat with the same `click_id` has no second effect."""

    answer: Answer
    click_id: Annotated[str, Meta(min_length=1, max_length=200)]
    intent: str | None = None  # of "intent" and "two"
    second: str | None = None  # of "two"
    proposed: Annotated[str, Meta(max_length=NAME_LIMIT)] | None = None  # of "new"
    why: Annotated[str, Meta(max_length=WHY_LIMIT)] = ""  # of "new": for the owner
    spans: Spans = None


class VoteResult(msgspec.Struct, frozen=True):
    """`vote` is the vote's id; `status` the card's, now."""

    vote: int
    card: str
    status: CardStatus


class Card(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    bot: str
    turn_id: int
    purpose: Purpose
    challenger: int
    ranking_id: int | None
    is_blind: bool
    overlap: int
    policy: Policy
    status: CardStatus
    weighed_vote: int | None
    returned_after: int | None


class StoredVote(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    card_id: str
    reviewer: str
    answer: Answer
    intent_id: int | None = None
    second_id: int | None = None
    proposed: str = ""
    spans: Spans = None
    is_adjudication: bool = False


class Standing(NamedTuple):
    """What the votes make of a card: its status, and the vote its label says. A card that came back has one before it
    is decided: the old one."""

    status: CardStatus
    vote: StoredVote | None = None


class TrainingLabel(NamedTuple):
    """A turn that may train, and as what: `intent_id` None is `none`, out of scope."""

    id: int
    turn_id: int
    intent_id: int | None
    weight: float
    origin: Origin
    spans: Spans


class Line(msgspec.Struct, frozen=True):
    """One utterance of the conversation around a card."""

    who: Literal["user", "bot"]
    text: str


class Around(msgspec.Struct, frozen=True):
    """What was said before and after, oldest first. A blind card shows nothing after: the bot's reply tells what it
    understood."""

    before: tuple[Line, ...] = ()
    after: tuple[Line, ...] = ()


class Choice(msgspec.Struct, frozen=True):
    intent: str
    description: str = ""
    examples: tuple[str, ...] = ()
    probability: float | None = None  # the champion's; None on a blind card, or before the first classifier
    is_corrected: bool = False  # a user named it as the right one


class Mark(msgspec.Struct, frozen=True):
    kind: str
    value: float


class Why(msgspec.Struct, frozen=True):
    """Why the card was dealt: the turn's marks, the factors of its priority, and the ranking's strategy, which says
    whose uncertainty is among them."""

    marks: tuple[Mark, ...] = ()
    factors: dict[str, float] = {}
    strategy: str = ""


class Entity(msgspec.Struct, frozen=True):
    type: str
    value: str
    start: int
    end: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Who answered what; `text` is what it was said of where that is another turn: one that says the same as the card's
    and was labelled otherwise."""

    reviewer: str | None  # None: the owner's import
    answer: Answer
    intent: str | None = None
    second: str | None = None
    proposed: str = ""
    is_adjudication: bool = False
    text: str | None = None

    @property
    def words(self) -> str:
        """The answer for people to read.

        >>> Said(reviewer="Ana", answer="two", intent="refund", second="cancel_order").words
        'refund and cancel_order'
        """
        named = " and ".join(filter(None, (self.intent, self.second)))
        return named or (f"a new intent, {self.proposed}" if self.proposed else self.answer)


class CardView(msgspec.Struct, frozen=True, kw_only=True):
    """A card as a reviewer sees it. A blind one shows the text, what came before, and every intent by name: nothing
    that any model, mark or reviewer said, not even whether it is an audit or a flip."""

    id: str
    bot: str
    turn_id: int
    purpose: Literal["rank", "blind"]
    blind: bool
    status: CardStatus
    text: str
    context: Around
    choices: tuple[Choice, ...]  # see views.py
    entities: tuple[Entity, ...] = ()  # the platform's
    tagged: Spans = None  # the tagger's, as it was when the card was made; None: blind, or there was no tagger
    why: Why | None = None
    said: tuple[Said, ...] = ()  # so far; of a blind card only once it is resolved, or to an adjudicator who is asked


class CardRow(msgspec.Struct, frozen=True, kw_only=True):
    """A card in a list. `purpose` is "blind" until a blind card is resolved."""

    id: str
    turn_id: int
    purpose: Literal["rank", "audit", "flip", "blind"]
    blind: bool
    status: CardStatus
    created_at: datetime
    resolved_at: datetime | None


class LabelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A label in a list; names are the intents' present ones, merges not followed: the row says what was labelled
    then."""

    id: int
    turn_id: int
    use: Use
    answer: LabelAnswer
    intent: str | None
    second: str | None
    spans: Spans
    origin: Origin
    weight: float
    card: str
    reviewer: str | None
    counts: bool  # no later label of its turn and use has replaced it
    correction: str  # why it was corrected; "": it was not, or its turn was forgotten
    at: datetime


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What classifier `n` made of a turn; `intent` None: out of scope."""

    n: int
    intent: str | None
    best: str
    second: str | None
    p1: float
    p2: float
    out_of_scope: float
    confidence: float | None  # chance that the platform's intent is right; None: it named none that we know
    uncertainty: float
    whose: Whose  # uncertainty that is; where the platform named no intent it is taken to answer as we do


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    is_explicit: bool
    intent: str
    comment: str
    at: datetime


class VoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A vote as it was cast; corrections and undos are rows of their own."""

    id: int
    card: str
    reviewer: str
    answer: Answer
    intent: str | None
    second: str | None
    proposed: str
    why: str
    spans: Spans
    surface: Surface
    at: datetime


class Opinions(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform, classifiers, users and reviewers made of a turn."""

    bot_intent: str
    bot_score: float | None
    bot_intents: tuple[dict[str, Any], ...] = ()
    entities: tuple[Entity, ...] = ()
    is_fallback: bool
    marks: tuple[Mark, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    reports: tuple[ReportRow, ...] = ()
    cards: tuple[CardRow, ...] = ()
    votes: tuple[VoteRow, ...] = ()
    labels: tuple[LabelRow, ...] = ()


class TurnView(msgspec.Struct, frozen=True, kw_only=True):
    """A turn and what became of it. `text` None: forgotten. `opinions` None: withheld while a blind card of it is
    open."""

    id: int
    bot: str
    source: str
    external_id: str
    conversation_id: str
    at: datetime
    received_at: datetime
    lang: str
    channel: str
    bot_version: str
    is_slot_fill: bool
    forgotten_at: datetime | None
    text: str | None
    context: Around
    opinions: Opinions | None


class Reliability(msgspec.Struct, frozen=True):
    """How often a reviewer's blind answers are what the others' answers to the same cards come to; with the share's
    95 % interval."""

    reviewer: str
    n: int  # answers that could be compared
    agreed: int
    share: float
    low: float
    high: float


class ReviewWeek(msgspec.Struct, frozen=True):
    """Votes of a whole week; `monday` of UTC."""

    monday: date
    votes: int


class ReviewerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewer's agreement with the others, as `Reliability`, and how much they answer. A correction is a vote of its
    own, as it is for the bot's budget; what was taken back is none."""

    reviewer: str
    n: int
    agreed: int
    share: float | None  # None: nothing could be compared; the interval likewise
    low: float | None
    high: float | None
    is_known: bool  # `n` is enough to go by
    votes: int  # in all
    votes_this_week: int  # seven days up to now
    last_at: datetime
    on_screen: int  # cards that they have before them now
    is_away: bool  # no vote in 30 days: not counted when it is settled how many people a card asks
    weeks: tuple[ReviewWeek, ...]  # whole ones, oldest first
    recent: int  # votes since the first of the weeks; of these are all below
    unsure: int
    none: int
    adjudications: int
    surfaces: dict[str, int]


class Reviewing(msgspec.Struct, frozen=True, kw_only=True):
    """How a bot is reviewed at present."""

    granted: int  # votes of seven days
    given: int
    open: int  # cards
    undecided: int  # that wait for an adjudicator
    policy: Policy
    overlap: int  # people whom a blind card asks that is made now
    overlap_wanted: int  # the bot's setting
    active: int  # people who voted within 30 days
    blind_share: float  # of the cards that are neither of the audit slice nor flips, those that are blind


class CastVote(msgspec.Struct, frozen=True):
    """A vote and the turn it is about."""

    turn_id: int
    vote: VoteRow


class IntentAgreement(msgspec.Struct, frozen=True):
    """Krippendorff's α of one intent against all other answers; None where it cannot be said."""

    intent: str
    n: int  # cards on which somebody said it
    alpha: float | None


class Agreement(msgspec.Struct, frozen=True):
    """Krippendorff's α of the reviewers' blind answers: 1 = they always agree, 0 = by chance alone; None where it
    cannot be said."""

    n: int  # cards that two people at least answered
    alpha: float | None
    intents: tuple[IntentAgreement, ...]


class ProposedIntent(msgspec.Struct, frozen=True):
    """A name that reviewers gave to what turns mean."""

    name: str
    cards: tuple[str, ...]
    reviewers: tuple[str, ...]
