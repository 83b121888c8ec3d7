"""Why a card is asked, in words: from what was stored of its ranking and its marks, and nothing else."""

import math

from service.reviews.reasons import MARKS
from service.reviews.schemas import CardView

PRESSED = 0.5  # from half as many reports again as usual it is worth saying
UNEXPLAINED = "Nothing is known of it yet but that it is in the log."


def reasons(view: CardView, reporters: int) -> list[str]:
    """The strongest first; `reporters`: people who said this week that the bot was wrong.

    >>> from service.reviews.schemas import Around, Choice, Why
    >>> choices = (Choice("card_arrival", probability=0.41), Choice("lost_card", probability=0.39))
    >>> why = Why(factors={"impact": math.log(24), "pressure": 1.5})
    >>> card = CardView(id="c", bot="b", turn_id=1, purpose="rank", blind=False, status="open", text="t",
    ...                 context=Around(), choices=choices, why=why)
    >>> for reason in reasons(card, 7): print(reason)
    41 % card_arrival / 39 % lost_card
    7 people said wrong this week
    reports around it are 2.5 times as frequent as usual
    23 similar turns
    """
    if view.blind or view.why is None:
        return [UNEXPLAINED]
    factors = view.why.factors
    marks = [MARKS[mark.kind] for mark in view.why.marks if mark.kind in MARKS]
    found = [_corrected(view), _chances(view), _reporters(reporters), _pressure(factors.get("pressure", 0.0)), *marks]
    return [reason for reason in (*found, _similar(factors.get("impact", 0.0))) if reason] or [UNEXPLAINED]


def _corrected(view: CardView) -> str:
    return next((f"a user says that it is {one.intent}" for one in view.choices if one.is_corrected), "")


def _chances(view: CardView) -> str:
    known = [choice for choice in view.choices if choice.probability is not None]
    best = sorted(known, key=lambda choice: -(choice.probability or 0))[:2]
    return " / ".join(f"{100 * (choice.probability or 0):.0f} % {choice.intent}" for choice in best)


def _reporters(count: int) -> str:
    who = "1 person" if count == 1 else f"{count} people"
    return f"{who} said wrong this week" if count else ""


def _pressure(pressure: float) -> str:
    """`pressure`: by how much the report rate around exceeds the bot's, as a multiple of it."""
    return f"reports around it are {1 + pressure:.2g} times as frequent as usual" if pressure >= PRESSED else ""


def _similar(impact: float) -> str:
    """`impact`: natural log of the turns that say the same, itself counted."""
    others = round(math.exp(impact)) - 1
    return f"{others} similar turn{'' if others == 1 else 's'}" if others else ""
