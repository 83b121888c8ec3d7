"""What the bot's platform makes of turns: the intent it names, and the chance that this is right."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from service.classifiers.schemas import Classifier, Platform
from service.learning.confidence import Scale, chance, fit
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from service.reviews.schemas import TrainingLabel
from service.turns.schemas import IntentScore
from workers.distinct import shared


class Spoken(Protocol):
    """A turn as far as the platform's opinion of it goes."""

    @property
    def intents(self) -> Sequence[IntentScore]: ...


class Opinion(NamedTuple):
    """Of n turns. Where the platform names no intent that the classifier knows, it is taken to answer as that does."""

    column: Ints1d  # (n,) of the classifier's intents
    confidence: Floats1d  # (n,) the chance that it is right, where any intent is meant
    is_said: Bools1d  # (n,) whether the platform says so

    @property
    def said(self) -> list[float | None]:
        """(n,) the platform's confidence, None where it is not its own."""
        pairs = zip(self.confidence.tolist(), self.is_said.tolist(), strict=True)
        return [confidence if is_said else None for confidence, is_said in pairs]


def opinion(classifier: Classifier, proba: Floats2d, turns: Sequence[Spoken]) -> Opinion:
    """proba (n, k), k >= 1: the classifier's probabilities."""
    columns: dict[int | None, int] = {
        intent_id: column for column, intent_id in enumerate(classifier.head.intent_ids.tolist())
    }
    named = np.array([columns.get(intent_named(classifier.platform, turn), -1) for turn in turns], np.int64)
    scores = np.array([turn.intents[0].score if turn.intents else 0.0 for turn in turns])
    is_said = named >= 0
    confidence = chance(scores, classifier.platform.scale)
    return Opinion(
        np.where(is_said, named, proba.argmax(axis=1)), np.where(is_said, confidence, proba.max(axis=1)), is_said
    )


def intent_named(platform: Platform, turn: Spoken) -> int | None:
    """Id of the platform's intent; None where it names none, or none of ours."""
    return platform.names.get(turn.intents[0].name) if turn.intents else None


class FittedScale(NamedTuple):
    scale: Scale
    labels: int  # it was fitted on


def fit_scale(
    labels: Sequence[TrainingLabel], said: Mapping[int, IntentScore], names: Mapping[str, int], group: Ints1d
) -> FittedScale:
    """From labels with an intent, as the head's temperature is: whether any is meant is the gate's question.

    `said`: the platform's best intent, by turn; `names`: of intents → id. An intent that is not ours says nothing.
    Labels of one `group` (n,) came of one card, and count for one together: a platform says the same of what is alike.

    Turns that were asked about are harder than the log, so a chance may err low. Of 5,520 turns of CLINC150's train
    part, 60 intents, 360 labels chosen by margin left a calibration error of .015 for one platform (.298 by its own
    scores) and .045 for another (.028); drawn at random .024 and .012. Weights by `importance` did not mend it.
    """
    heard = [
        (said[label.turn_id].score, names[said[label.turn_id].name] == label.intent_id, label.weight, card)
        for label, card in zip(labels, group.tolist(), strict=True)
        if label.intent_id is not None and label.turn_id in said and said[label.turn_id].name in names
    ]
    scores, is_right, weights, card_ids = np.array(heard, np.float64).reshape(-1, 4).T
    return FittedScale(fit(scores, is_right > 0, weights * shared(card_ids.astype(np.int64))), len(heard))
