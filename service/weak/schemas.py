"""Labelling functions, as an owner writes them and as surfaces show them."""

from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from service.classifiers.schemas import Found

Name = Annotated[str, Meta(min_length=1, max_length=60)]
Share = Annotated[float, Meta(ge=0, le=1)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]


class Function(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """Votes for an intent on some texts and says nothing on the others."""

    name: Name


class Keywords(Function, frozen=True, kw_only=True, tag="keywords"):
    """Votes where one of the words or phrases stands in the text, in capitals or not, as a whole word; where a script
    has no spaces between words, anywhere."""

    intent: str
    words: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=100)]


class Regex(Function, frozen=True, kw_only=True, tag="regex"):
    """Votes where the pattern matches, in capitals or not."""

    intent: str
    pattern: Annotated[str, Meta(min_length=1, max_length=300)]


class PlatformIntent(Function, frozen=True, kw_only=True, tag="platform_intent"):
    """Votes what the bot's own platform made of the turn, when its score was at least this."""

    min_score: Share = 0.0


class Nearest(Function, frozen=True, kw_only=True, tag="nearest"):
    """Votes the intent of the nearest labelled turn, when its cosine is at least this."""

    min_cosine: Share = 0.8


AnyFunction = Keywords | Regex | PlatformIntent | Nearest


class Heard(NamedTuple):
    """What a function may look at of a turn."""

    text: str
    platform_intent: str = ""
    platform_score: float | None = None


class FunctionSet(msgspec.Struct, frozen=True, kw_only=True):
    """A bot's labelling functions as its owner wrote them; the newest set counts."""

    id: int
    at: datetime
    who: str
    text: str  # YAML


class Labelling(msgspec.Struct, frozen=True, kw_only=True):
    """A bot's labelling functions, and how they did in the newest training that used this set."""

    set: FunctionSet | None  # None: the bot has none
    classifier: int | None = None  # of that training; None: there was none yet
    examples: int = 0  # texts it learnt from by them; 0 where these were not measured to help
    functions: tuple[Found, ...] = ()
