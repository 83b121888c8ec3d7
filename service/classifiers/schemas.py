"""A classifier: one trained version of a bot's intent head, and the manifest that says what it was trained on."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.learning.confidence import Scale
from service.learning.head import Head

REASON_LIMIT = 500  # characters

Status = Literal["training", "challenger", "champion", "held", "retired"]
Phase = Literal["cold", "warm", "steady"]
Outcome = Literal["open", "promoted", "held", "void"]


class Adapted(msgspec.Struct, frozen=True, kw_only=True):
    """The encoder tuned for the bot that a classifier reads, and the way back from it."""

    folder: str  # the bot's setting while this encoder is in force
    base: str  # the bot's setting before it ever was adapted: what was tuned
    base_identity: str
    before: str  # the bot's setting when this one was made; the gate moves it from there
    labels: int  # it was tuned on


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a training found out about a labelling function."""

    name: str
    coverage: float  # share of the recent texts that it votes on, each counted once and none with a label
    conflict: float  # share of these votes that another function contradicts
    accuracy: float  # share of its votes that are believed to be right
    labels: int  # labelled turns it votes on: what is known of that


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a classifier was trained on, in ids and numbers. Fields may be added, with defaults; none is renamed."""

    encoder: str  # the encoder's identity; vectors of another one mean nothing to this classifier
    dimensions: int
    intents: dict[str, int] = {}  # name at training time -> id
    names: dict[str, int] = {}  # every name these intents ever had, for platforms go on sending it -> id
    labels: int = 0  # turns whose label trained it
    labels_by_origin: dict[str, int] = {}
    labels_none: int = 0
    first_label_id: int | None = None
    last_label_id: int | None = None
    log_turns: int = 0  # unlabelled turns self-training could look at
    pseudo_labels: int = 0  # of these, taken; 0 where they were not measured to help
    phase: Phase = "cold"
    c: float = 1.0  # inverse regularisation
    c_searched_at: int = 0  # labels there were when C was last searched
    temperature: float = 1.0
    gate_threshold: float | None = None  # None: the out-of-scope gate is off
    seed: int = 0
    # Of up to 3,000 labels held out, those with an intent, by heads without weak examples or map: not live accuracy.
    accuracy: float | None = None
    accuracy_named: float | None = None  # the same where the log only helps intents without labels
    replaced: int | None = None  # the champion it was trained to replace
    seconds: float = 0.0
    adapted: Adapted | None = None  # None: the encoder is as its makers left it
    function_set: int | None = None  # id of the labelling functions there were
    weak_examples: int = 0  # texts that they labelled and it learnt from; 0 where these were not measured to help
    functions: tuple[Found, ...] = ()
    span_labels: int = 0  # labels whose entities were looked at, that trained the tagger; 0: there is none
    entity_types: tuple[str, ...] = ()  # that the tagger knows
    score_slope: float = 1.0  # what the platform's scores mean: learning/confidence.py
    score_intercept: float = 0.0
    score_labels: int = 0  # labelled turns with a score that these were fitted on


class Model(msgspec.Struct, frozen=True):
    """A tagger as it is stored, for `workers.tagger`; `n` is the classifier it was trained with."""

    n: int
    data: bytes


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot's platform means by its names and scores, as classifier `n` learnt it."""

    n: int
    names: dict[str, int]  # that it may send -> id
    scale: Scale


class Classifier(msgspec.Struct, frozen=True, kw_only=True):
    """A version with its weights in memory. What stands no trial is of a champion the bot's newest."""

    bot: str
    n: int
    status: Status
    created_at: datetime
    manifest: Manifest
    head: Head
    platform: Platform
    tagger: Model | None = None  # None as long as no spans

    @property
    def encoder(self) -> str:
        """The identity of the encoder whose vectors it takes."""
        return self.manifest.encoder


class Difference(msgspec.Struct, frozen=True):
    """Of shares of right answers on recent turns, challenger minus champion; a 95 % interval."""

    estimate: float
    low: float
    high: float


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A challenger's trial by blind answers on the turns where it differs from the champion."""

    challenger: int
    champion: int
    status: Outcome
    compared: int  # recent turns both decided
    disagreed: int
    wins: int = 0
    losses: int = 0
    neither: int = 0
    opened_at: datetime
    decided_at: datetime | None = None
    reason: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A gate as the API shows it."""

    gate: Gate
    difference: Difference | None
    waiting: int  # flips nobody answered yet


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A classifier as the API shows it. `trial` is None for one that never was a challenger."""

    n: int
    status: Status
    created_at: datetime
    sha256: str
    manifest: Manifest
    trial: Trial | None = None


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An owner's word on a classifier."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_LIMIT, description="why; it stays in the history")]


class Replacing(Reasoned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`replacing`: the classifier in force as the owner saw it, null without one; where another is, nothing is done."""

    replacing: int | UnsetType | None = UNSET


def decode_manifest(raw: Any) -> Manifest:
    return msgspec.convert(raw, Manifest)
