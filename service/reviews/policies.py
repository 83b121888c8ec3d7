"""What is decided about cards from numbers and votes alone: no SQL, no clock."""

from collections.abc import Mapping, Sequence

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


def standing(card: Card, votes: Sequence[StoredVote]) -> Standing:
    """A card is resolved once it has the votes it wants; of several the most frequent answer decides, a tie goes to
    an adjudicator. An unsure vote leaves the card to others, a blind card to an adjudicator."""
    if card.status == "withdrawn":
        return Standing("withdrawn")
    counting = active(votes)
    sure = [vote for vote in counting if vote.answer != "unsure"]
    if len(sure) >= card.overlap and (decisive := _decisive(sure)) is not None:
        return Standing("resolved", decisive)
    is_split = len(sure) >= card.overlap
    is_unsure = len(sure) < len(counting)
    return Standing("adjudicate" if is_split or (card.is_blind and is_unsure) else "open")


def _decisive(votes: Sequence[StoredVote]) -> StoredVote | None:
    """The newest vote for the most frequent answer; None on a tie."""
    groups: dict[tuple[object, ...], list[StoredVote]] = {}
    for vote in votes:
        groups.setdefault((vote.answer, vote.intent_id, vote.second_id, vote.proposed), []).append(vote)
    ranked = sorted(groups.values(), key=len, reverse=True)
    is_tie = len(ranked) > 1 and len(ranked[0]) == len(ranked[1])
    return None if is_tie else ranked[0][-1]


def is_enough(new: int, total: int, *, is_trying: bool = False) -> bool:
    """Whether so many new labels, of so many in all, are worth a training; during a trial it takes more.

    >>> [is_enough(39, 50), is_enough(40, 50), is_enough(40, 400), is_enough(40, 150, is_trying=True)]
    [False, True, False, False]
    """
    return new >= max(MIN_NEW_LABELS, total // (NEW_LABELS_SHARE_TRYING if is_trying else NEW_LABELS_SHARE))
