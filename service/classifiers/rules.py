"""What decides, without touching anything: when to train, and how a gate ends.

The lead a challenger needs. Promoted of those truly −3, −1, 0, +1, +3 points away, at 8 % disagreement, a fifth of the
flips being neither's and 5 % of the answers wrong (exact; `python -m tests.bench gate` simulates the same):

| lead | 40 flips | 24 flips | 12 flips |
|---|---|---|---|
| 1 | .003 .18 .46 .77 .99 | .016 .22 .45 .70 .97 | .054 .27 .44 .62 .90 |
| 2 | .002 .14 .40 .71 .99 | .009 .16 .37 .62 .95 | .026 .17 .31 .49 .83 |
| 4 | .001 .07 .27 .58 .98 | .002 .07 .21 .44 .89 | .005 .06 .13 .25 .61 |
| 6 | .000 .04 .16 .44 .95 | .000 .03 .10 .27 .76 | .001 .01 .04 .09 .33 |

Two is the least that keeps −3 under .02 from 24 answers on, and it finds 71 % of those one point better; of 12 answers
it lets too many through, four do not. A challenger that is no better is no harm either: it costs forty answers, which
then train.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from service.classifiers.schemas import Difference, Gate, Manifest

MOST_FLIPS = 40
# Wins over losses that a challenger needs: more when few were answered, for then luck goes further.
LEAD, LEAD_OF_FEW, FEW = 2, 4, 24
GROWTH = 1.5  # of the labels, from which on an open gate gives way to a newer challenger
LOG_GROWTH = 2.0  # of the log, from which on self-training finds something new
LOG_FROM = 100
# What tuning an encoder needs, what it is worth doing at, and how much more it takes to be worth doing again.
ADAPT_LABELS, ADAPT_INTENTS = 200, 2
ADAPT_FROM, ADAPT_GROWTH = 300, 1.75
VETO_LEVEL = 0.05  # the chance that a challenger worse on no intent is vetoed, at most

Verdict = Literal["promote", "hold"]


class Tally(NamedTuple):
    """Blind answers to a challenger's flips."""

    wins: int
    losses: int
    neither: int  # both wrong, or nobody could tell
    waiting: int

    @property
    def answered(self) -> int:
        return self.wins + self.losses + self.neither


class Duel(NamedTuple):
    """Turns of the audit slice and the gold set that one of the two gets right and the other does not."""

    wins: int  # the challenger's
    losses: int


class Inputs(NamedTuple):
    """What a training would learn from."""

    encoder: str
    intents: dict[str, int]
    labels: int
    last_label_id: int | None
    log_turns: int
    function_set: int | None = None


def lead_needed(answered: int) -> int:
    return LEAD if answered >= FEW else LEAD_OF_FEW


def verdict(tally: Tally) -> Verdict | None:
    """How the gate ends, as soon as no answer that is still out can change it; None while one can."""
    needed, lead = lead_needed(tally.answered + tally.waiting), tally.wins - tally.losses
    if lead - tally.waiting >= needed:
        return "promote"
    return "hold" if lead + tally.waiting < needed else None


def hopeless(compared: int, disagreed: int) -> str:
    """Why a challenger need not be asked about; empty when it may win."""
    if not compared:
        return "there is no recent turn to compare on"
    if not disagreed:
        return f"it decides {compared} recent turns like the champion: nothing to gain"
    if disagreed < LEAD_OF_FEW:
        return f"it differs on {disagreed} of {compared} recent turns: too few to win by {LEAD_OF_FEW}"
    return ""


def vetoes(duels: Mapping[str, Duel]) -> list[str]:
    """Intents on which the challenger is worse for certain: McNemar's exact test, one-sided, of each intent on which
    the two differ, with Holm's correction.

    >>> vetoes({"refund": Duel(0, 7), "cancel_order": Duel(2, 4), "track_order": Duel(0, 0)})
    ['refund']
    """
    chances = sorted((_chance(duel), intent) for intent, duel in duels.items() if duel.wins + duel.losses)
    found = []
    for at, (chance, intent) in enumerate(chances):
        if chance > VETO_LEVEL / (len(chances) - at):
            break
        found.append(intent)
    return found


def _chance(duel: Duel) -> float:
    """Of so many losses or more, were a win as likely as a loss."""
    n = duel.wins + duel.losses
    as_bad = sum(math.comb(n, losses) for losses in range(duel.losses, n + 1))
    chance: float = as_bad / 2**n  # of whole numbers, however large
    return chance


def explain_veto(duels: Mapping[str, Duel], worse: list[str]) -> str:
    words = ", ".join(f"{name} ({duels[name].wins} wins, {duels[name].losses} losses)" for name in worse)
    return f"worse on the audit slice and the gold set: {words}"


def explain(ended: Verdict, tally: Tally) -> str:
    needed = lead_needed(tally.answered + tally.waiting)
    words = f"{tally.wins} wins, {tally.losses} losses, {tally.neither} neither"
    return f"{words}: {'won by' if ended == 'promote' else 'did not win by'} {needed} or more"


def explain_by_hand(tally: Tally) -> str:
    return f"{tally.wins} wins, {tally.losses} losses, {tally.neither} neither: an owner ended the trial"


def difference(gate: Gate) -> Difference | None:
    """How much more often than the champion the challenger is right on recent turns: the share on which they disagree
    times (wins − losses) / answered, with a 95 % interval; None before the first answer."""
    n = gate.wins + gate.losses + gate.neither
    if not n or not gate.compared:
        return None
    share = gate.disagreed / gate.compared
    # One win and one loss are added, as Agresti and Coull do: three wins in three are not certain to go on.
    mean, spread = (gate.wins - gate.losses) / (n + 2), (gate.wins + gate.losses + 2) / (n + 2)
    half = 1.96 * math.sqrt((spread - mean**2) / (n + 2))
    low, high = max(mean - half, -1.0), min(mean + half, 1.0)
    return Difference(estimate=share * (gate.wins - gate.losses) / n, low=share * low, high=share * high)


def wants_training(newest: Manifest | None, inputs: Inputs, *, trying: Manifest | None = None) -> bool:
    """Whether a new classifier could differ from the newest one of this encoder. While a gate is open with flips to
    answer, only half as many labels again, other intents or another encoder are worth voiding the answers given so
    far."""
    if not inputs.intents:
        return False
    if newest is None or newest.encoder != inputs.encoder or (trying or newest).intents != inputs.intents:
        return True
    if trying is not None:
        return inputs.labels >= GROWTH * max(trying.labels, 1)
    has_grown = inputs.log_turns >= max(LOG_FROM, LOG_GROWTH * newest.log_turns)
    has_changed = (inputs.last_label_id, inputs.function_set) != (newest.last_label_id, newest.function_set)
    return has_grown or has_changed


def unfit(labels: Mapping[int | None, int]) -> str:
    """Why an encoder cannot be tuned on so many labels by intent (None: `none`, which teach it nothing); empty when it
    can."""
    known = {intent_id: n for intent_id, n in labels.items() if intent_id is not None and n}
    if len(known) < ADAPT_INTENTS:
        return f"turns of {len(known)} intents are labelled; tuning wants {ADAPT_INTENTS} or more to tell apart"
    if sum(known.values()) < ADAPT_LABELS:
        return f"{sum(known.values())} turns are labelled with an intent; tuning wants {ADAPT_LABELS} or more"
    return ""


def wants_adapting(labels: int, at_last: int) -> bool:
    """Whether tuning the encoder has become worth its minutes: from 300 labels on, and again with three quarters more.
    Measured on CLINC150 with a long-tailed pool: the second tuning, at 793 labels, adds .010 to the macro recall."""
    return labels >= max(ADAPT_FROM, ADAPT_GROWTH * at_last)
