"""What is decided about cards from numbers and votes alone: no SQL, no clock."""

from collections.abc import Mapping, Sequence

import msgspec

from service.reviews.schemas import Card, Purpose, Standing, StoredVote

AUDIT_EVERY = 5  # until the audit slice has AUDIT_ENOUGH answers every fifth card is one, then every tenth
AUDIT_EVERY_LATER = 10
AUDIT_ENOUGH = 200
# A challenger's gate asks up to 40 blind answers: what it learnt from has to be worth as many. At 20 and a tenth of the
# labels, two votes of three went to gates.
MIN_NEW_LABELS = 40
NEW_LABELS_SHARE = 4  # a quarter of the labels
NEW_LABELS_SHARE_TRYING = 3  # a third: half as many again as there were when the challenger on trial was trained


def order(dealt: Mapping[str, int]) -> tuple[Purpose, ...]:
    """Which purpose to try first for the next card, after so many of each."""
    return ("flip", "audit", "rank") if wants_audit(dealt["audit"], dealt["rank"]) else ("flip", "rank", "audit")


def wants_audit(audits: int, ranks: int) -> bool:
    """Whether the next card should be of the audit slice, after so many of each.

    >>> [wants_audit(0, 3), wants_audit(0, 4), wants_audit(1, 4), wants_audit(200, 1000)]
    [False, True, False, False]
    """
    every = AUDIT_EVERY if audits < AUDIT_ENOUGH else AUDIT_EVERY_LATER
    return every * (audits + 1) <= audits + ranks + 1


def active(votes: Sequence[StoredVote]) -> list[StoredVote]:
    """The newest vote of each reviewer, undone ones left out, oldest first."""
    newest = {vote.reviewer: vote for vote in sorted(votes, key=lambda vote: vote.id)}
    return sorted((vote for vote in newest.values() if vote.answer != "undo"), key=lambda vote: vote.id)


def sure(votes: Sequence[StoredVote]) -> list[StoredVote]:
    """The active votes that answer the card, oldest first."""
    return [vote for vote in active(votes) if vote.answer != "unsure"]


def standing(card: Card, votes: Sequence[StoredVote]) -> Standing:
    """An adjudicator's answer decides. Without one a card is resolved once it has the votes it wants and they decide by
    its policy; where they do not, it goes to an adjudicator. An unsure vote leaves a card to others, a blind card to an
    adjudicator. A card that came back waits for an adjudicator, its label as it was."""
    if card.status == "withdrawn":
        return Standing("withdrawn")
    if (adjudicated := adjudication(card, votes)) is not None:
        return Standing("resolved", adjudicated)
    if card.returned_after is not None:
        return Standing("adjudicate", _before_return(card, votes).vote)
    return _agreed(card, votes)


def adjudication(card: Card, votes: Sequence[StoredVote]) -> StoredVote | None:
    """The adjudicator's answer that decides the card; of a card that came back, one given since."""
    found = [vote for vote in sure(votes) if vote.is_adjudication and vote.id > (card.returned_after or 0)]
    return found[-1] if found else None


def _before_return(card: Card, votes: Sequence[StoredVote]) -> Standing:
    earlier = [vote for vote in votes if vote.id <= (card.returned_after or 0)]
    return standing(msgspec.structs.replace(card, returned_after=None), earlier)


def _agreed(card: Card, votes: Sequence[StoredVote]) -> Standing:
    answers = sure(votes)
    decisive = next((vote for vote in answers if vote.id == card.weighed_vote), None)
    if len(answers) >= card.overlap and decisive is None:
        decisive = _unanimous(answers) if card.policy == "dawid_skene" else most_frequent(answers)
    if decisive is not None:
        return Standing("resolved", decisive)
    is_split = len(answers) >= card.overlap
    is_unsure = len(answers) < len(active(votes))
    return Standing("adjudicate" if is_split or (card.is_blind and is_unsure) else "open")


def answer_of(vote: StoredVote) -> tuple[object, ...]:
    """What a vote says: two votes that say the same have an equal one. Two intents are the same in either order."""
    intents = tuple(sorted(one for one in (vote.intent_id, vote.second_id) if one is not None))
    return vote.answer, intents, vote.proposed


def most_frequent(votes: Sequence[StoredVote]) -> StoredVote | None:
    """The newest vote for the most frequent answer; None on a tie, or without a vote."""
    groups: dict[tuple[object, ...], list[StoredVote]] = {}
    for vote in votes:
        groups.setdefault(answer_of(vote), []).append(vote)
    ranked = sorted(groups.values(), key=len, reverse=True)
    is_tie = len(ranked) > 1 and len(ranked[0]) == len(ranked[1])
    return ranked[0][-1] if ranked and not is_tie else None


def _unanimous(votes: Sequence[StoredVote]) -> StoredVote | None:
    return votes[-1] if len({answer_of(vote) for vote in votes}) == 1 else None


def is_enough(new: int, total: int, *, is_trying: bool = False) -> bool:
    """Whether so many new labels, of so many in all, are worth a training; during a trial it takes more.

    >>> [is_enough(39, 50), is_enough(40, 50), is_enough(40, 400), is_enough(40, 150, is_trying=True)]
    [False, True, False, False]
    """
    return new >= max(MIN_NEW_LABELS, total // (NEW_LABELS_SHARE_TRYING if is_trying else NEW_LABELS_SHARE))
