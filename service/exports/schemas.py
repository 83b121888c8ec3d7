"""What an export is made of: a bot's intents, its labelled turns one by one, and where each label came from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from service.learning.stopping import Estimate
from service.reviews.schemas import Origin
from service.turns.schemas import Entity

Split = Literal["train", "test"]  # test: the audit slice and the gold set, which never train
LabelSet = Literal["full", "minimal"]
NOTE_LIMIT = 4_000  # characters of a release's note


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row comes from: enough to find it again, nothing of a person."""

    turn_id: int
    label_id: int
    origin: Origin
    weight: float  # in training, (0, 1]
    votes: int  # answers on the card that decided it; 0 where no card did
    agreed: int  # of them, those that said the same
    labelled_at: datetime


class ExportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled turn, as redacted. `intent` None: `none`, out of scope. `entities` None: nobody said anything of
    them; an empty tuple: there are none."""

    text: str
    intent: str | None
    entities: tuple[Entity, ...] | None
    lang: str
    split: Split
    provenance: Provenance


class ExportIntent(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str


class Export(NamedTuple):
    """`rows` are read from SQL while they are written, by intent in the order of `intents`, `none` last, then by turn;
    they can be gone through once."""

    bot: str
    at: datetime
    label_set: LabelSet
    release: int | None  # None: what is labelled now
    intents: Sequence[ExportIntent]  # by name
    rows: Iterable[ExportRow]


class Exporter(NamedTuple):
    """A format. `write` yields the file piece by piece and holds no more of it than the format makes it hold."""

    suffix: str  # of the file, ".yml"
    media_type: str
    has_test: bool  # False: only rows that train are written
    write: Callable[[Export], Iterator[bytes]]


class Format(msgspec.Struct, frozen=True):
    """An exporter in a list."""

    name: str
    suffix: str
    media_type: str
    has_test: bool


class Change(msgspec.Struct, frozen=True):
    """Of an intent, since the release before; `into`: its new name, or what it was merged into."""

    kind: Literal["new", "restored", "renamed", "merged", "archived"]
    name: str
    into: str | None = None


class IntentRows(msgspec.Struct, frozen=True):
    """Rows of one intent, and what became of them since the release before; `confirmed`: answered again, with the same
    intent."""

    intent: str
    rows: int
    added: int
    removed: int
    relabelled: int  # said another intent before
    confirmed: int


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Since the release before; of the first one everything is added."""

    added: int
    removed: int
    relabelled: int
    confirmed: int
    intents: tuple[Change, ...]
    rows: tuple[IntentRows, ...]


class NewRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=NOTE_LIMIT)] = ""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Version `n` of a bot's training set. `accuracy` is of `champion`, the classifier in force then, on turns drawn at
    random; None where too little was known."""

    n: int
    created_at: datetime
    who: str
    note: str
    champion: int | None
    accuracy: Estimate | None
    changes: Changes


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and its changelog in Markdown."""

    release: Release
    changelog: str
