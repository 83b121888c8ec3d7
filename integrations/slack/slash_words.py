"""Answers to `/fencepost …` in words, a string a line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from integrations.slack.figures import Figures
from service.reviews.budget import Week
from service.reviews.reasons import MARKS
from service.reviews.schemas import LabelRow, Opinions, Prediction, TurnView, VoteRow

WITHHELD = "What was made of it is withheld: somebody is asked about it blind."
ANSWERS = {"none": "none of these", "undo": "taken back"}


def usage(command: str, helps: Mapping[str, str]) -> list[str]:
    """
    >>> usage("/fencepost", {"help": "this list"})
    ['/fencepost help: this list']
    """
    return [f"{command} {name}: {text}" for name, text in helps.items()]


def stats(bot: str, figures: Figures) -> list[str]:
    """
    >>> for line in stats("shop", Figures(3, 12, 40, 7, 120, None)): print(line)
    Your answers for shop: 3 in the last day, 12 in the last week.
    Your team's: 40 in the last week. Open cards: 7.
    Turns labelled by votes: 120. Classifier in force: none yet.
    """
    champion = "none yet" if figures.champion is None else figures.champion
    return [
        f"Your answers for {bot}: {figures.mine_day} in the last day, {figures.mine_week} in the last week.",
        f"Your team's: {figures.team_week} in the last week. Open cards: {figures.open_cards}.",
        f"Turns labelled by votes: {figures.labelled}. Classifier in force: {champion}.",
    ]


def budget(bot: str, week: Week, room_at: datetime | None) -> list[str]:
    """
    >>> budget("shop", Week(granted=500, given=120, asked=10), None)
    ["shop's budget is 500 answers a week. In the last seven days: 120 given, 10 asked for, 370 left."]
    """
    spent = f"{week.given} given, {week.asked} asked for, {max(0, week.left)} left"
    lines = [f"{bot}'s budget is {week.granted} answers a week. In the last seven days: {spent}."]
    return lines if room_at is None else [*lines, f"There is room again from {room_at:%Y-%m-%d %H:%M} UTC on."]


def turn(found: TurnView) -> list[str]:
    """What was said, and who made what of it; the withheld part is said to be withheld."""
    text = "it was forgotten" if found.text is None else f"“{found.text}”"
    said = f"Turn {found.id} of {found.bot}, {found.at:%Y-%m-%d %H:%M} UTC: {text}"
    return [said, WITHHELD] if found.opinions is None else [said, *_opinions(found.opinions)]


def _opinions(found: Opinions) -> Iterator[str]:
    yield _bot(found)
    if found.predictions:
        yield _prediction(found.predictions[-1])
    if marks := [MARKS[mark.kind] for mark in found.marks if mark.kind in MARKS]:
        yield f"Why it is interesting: {', '.join(marks)}."
    if kinds := Counter(report.kind.replace("_", " ") for report in found.reports):
        yield f"Reports: {', '.join(f'{n} × {kind}' for kind, n in sorted(kinds.items()))}."
    if answers := _answers(found.votes):
        yield f"Answers: {', '.join(answers)}."
    if found.labels:
        yield f"Label: {_label(found.labels[-1])}."


def _bot(found: Opinions) -> str:
    if found.is_fallback:
        return "The bot did not understand it."
    if not found.bot_intent:
        return "The bot did not say what it took it for."
    score = "" if found.bot_score is None else f" ({found.bot_score:.0%})"
    return f"The bot took it for {found.bot_intent}{score}."


def _prediction(newest: Prediction) -> str:
    """
    >>> _prediction(Prediction(n=3, intent="a", best="a", second="b", p1=0.41, p2=0.39, out_of_scope=0.1,
    ...                        confidence=None, uncertainty=0.98, whose="ours"))
    'Classifier 3: 41 % a / 39 % b.'
    """
    second = "" if newest.second is None else f" / {100 * newest.p2:.0f} % {newest.second}"
    scope = ", but rather out of scope" if newest.intent is None else ""
    return f"Classifier {newest.n}: {100 * newest.p1:.0f} % {newest.best}{second}{scope}."


def _answers(votes: Sequence[VoteRow]) -> list[str]:
    """The last one of each person and card, unless it was taken back."""
    last = {(vote.card, vote.reviewer): vote for vote in votes}
    return [_answer(vote) for vote in last.values() if vote.answer != "undo"]


def _answer(vote: VoteRow) -> str:
    return f"a new intent, {vote.proposed}" if vote.answer == "new" else _words(vote)


def _label(label: LabelRow) -> str:
    return f"{_words(label)} ({label.origin})"


def _words(given: VoteRow | LabelRow) -> str:
    intents = [name for name in (given.intent, given.second) if name]
    return " and ".join(intents) or ANSWERS.get(given.answer, given.answer)
