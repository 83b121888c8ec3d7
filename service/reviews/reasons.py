"""What is said to reviewers about why a turn is asked."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from service import tables
from service.reports.store import reports_on_turns
from service.reviews.schemas import Card

CANDIDATE = tables.candidate
WEEK = timedelta(days=7)

# What a mark says to somebody who never read how turns are chosen.
MARKS = {
    "boundary": "between two intents",
    "entity_structure": "unusual entities",
    "entity_boundary": "unclear where an entity ends",
    "unfamiliar": "unlike what was seen so far",
    "disagreement": "classifiers disagree",
    "reported": "reported by a user",
}


def count_reporters(connection: sa.Connection, card: Card, now: datetime) -> int:
    """People who said, in the seven days up to now, that the bot got the turn wrong, or one that was folded into it;
    those whom the platform did not name count as one."""
    folded = connection.scalars(sa.select(CANDIDATE.c.turn_id).where(CANDIDATE.c.folded_into == card.turn_id))
    found = reports_on_turns(connection, card.bot, [card.turn_id, *folded])
    return len({report.person for report in found if report.is_explicit and report.at > now - WEEK})
