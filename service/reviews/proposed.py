"""Intents that reviewers named because the bot has none for a turn: the owner accepts or refuses them."""

from datetime import datetime

import sqlalchemy as sa

from service import tables
from service.access import audit
from service.bots.store import get_bot, live_bot
from service.errors import BadInput
from service.intents.schemas import Intent
from service.intents.store import create_intents, intent_ids
from service.reviews import store
from service.reviews.schemas import ProposedIntent

VOTE, CARD, LOG = tables.vote, tables.card, tables.audit_log
REFUSED = "intent.refuse"


def waiting(connection: sa.Connection, bot: str) -> list[ProposedIntent]:
    """Names that votes of resolved cards propose, without those that are intents by now or were refused; the most
    frequent first."""
    get_bot(connection, bot)
    found: dict[str, list[sa.Row[tuple[str, str, str]]]] = {}
    decided = set(intent_ids(connection, bot)) | _refused(connection, bot)
    for row in connection.execute(store.proposing(bot)):
        if row.proposed not in decided:
            found.setdefault(row.proposed, []).append(row)
    names = [
        ProposedIntent(name, tuple(row.card_id for row in rows), tuple(sorted({row.reviewer for row in rows})))
        for name, rows in found.items()
    ]
    return sorted(names, key=lambda one: (-len(one.cards), one.name))


def _refused(connection: sa.Connection, bot: str) -> set[str]:
    rows = connection.scalars(sa.select(LOG.c.details).where(LOG.c.bot == bot, LOG.c.action == REFUSED))
    return {details["name"] for details in rows}


def accept(connection: sa.Connection, bot: str, name: str, description: str, now: datetime, *, who: str) -> Intent:
    """The new intent. The votes that propose it become its labels when votes are resolved next."""
    proposed = _waiting(connection, bot, name)
    intent = create_intents(connection, bot, {name: description}, now, who=who)[0]
    store.set_unsettled(connection, proposed.cards)
    return intent


def refuse(connection: sa.Connection, bot: str, name: str, now: datetime, *, who: str) -> None:
    """It is not listed again; its votes stay, and label nothing."""
    _waiting(connection, bot, name)
    audit.record(connection, bot, REFUSED, now, who, name=name)


def _waiting(connection: sa.Connection, bot: str, name: str) -> ProposedIntent:
    live_bot(connection, bot)
    found = next((one for one in waiting(connection, bot) if one.name == name), None)
    if found is None:
        raise BadInput(
            f"no vote that waits for a decision proposes {name!r}", path="name", hint="list the proposed ones"
        )
    return found
