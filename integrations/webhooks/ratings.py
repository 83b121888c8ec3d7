"""What people say of a conversation afterwards, on a scale of one to five."""

from datetime import datetime

from integrations.webhooks.collecting import derived
from integrations.webhooks.lenient import Fields
from service.turns.schemas import TEXT_LIMIT, Report

LOW = 2  # a rating up to here is a complaint


def low_ratings(
    answer: Fields, comment: str, *, at: datetime, user: str, conversation_id: str, turn: str = "", reply: str = ""
) -> list[Report]:
    """The report that a low rating of a turn or a reply makes; `comment` is the key of what was written beside it.

    People rate first and comment afterwards, which makes two reports; of one person the two count once.
    """
    rating, said = answer.number("rating"), answer.words(comment, TEXT_LIMIT)
    if not 1 <= rating <= LOW:
        return []
    return [
        Report(
            external_id=derived(turn, reply, str(rating), said),
            kind="low_rating",
            at=at,
            conversation_id=conversation_id,
            turn_external_id=turn,
            reply_external_id=reply,
            comment=said,
            user=user,
        )
    ]
