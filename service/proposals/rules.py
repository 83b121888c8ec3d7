"""What an owner decides about a proposed intent.

Accepting names the intent and makes cards of the cluster's typical turns at once: as candidates they would be assessed
by the next classifier, which knows nothing of the intent, and lose their place. It labels nothing: what turns mean is
for reviewers to say."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from service.access import audit
from service.bots.store import get_bot, live_bot
from service.errors import ProposalClosed
from service.intents.store import create_intents
from service.keyring import Keyring
from service.proposals import store
from service.proposals.schemas import Acceptance, Accepted, Proposal, Queued
from service.reviews import candidates
from service.reviews.assessments import store_unfamiliar
from service.reviews.overlap import rank_terms, terms

REVIEWED = 10  # turns sent to review at once


def accept(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    proposal_id: int,
    wanted: Acceptance,
    now: datetime,
    *,
    who: str,
) -> Accepted:
    """The new intent. ProposalClosed when it was decided before; BadInput and IntentNameTaken as for any new intent."""
    proposal = _open(_locked(connection, bot, proposal_id))
    intent = create_intents(connection, bot, {wanted.name: wanted.description}, now, who=who)[0]
    store.close(connection, proposal_id, "accepted", now, intent_id=intent.id)
    queued = ask(connection, keyring, bot, [turn.id for turn in proposal.typical if turn.text is not None], now)
    audit.record(connection, bot, "proposal.accept", now, who, proposal=proposal_id, intent=intent.id)
    return Accepted(intent=intent, queued=tuple(queued))


def review(
    connection: sa.Connection, keyring: Keyring, bot: str, proposal_id: int, now: datetime, *, who: str
) -> Queued:
    """Ask reviewers about its REVIEWED most typical turns, before it is decided. ProposalClosed when it was."""
    _open(_locked(connection, bot, proposal_id))
    queued = ask(connection, keyring, bot, store.members(connection, proposal_id, REVIEWED), now)
    if queued:
        audit.record(connection, bot, "proposal.review", now, who, proposal=proposal_id, turns=len(queued))
    return Queued(tuple(queued))


def ask(connection: sa.Connection, keyring: Keyring, bot: str, turn_ids: Sequence[int], now: datetime) -> list[int]:
    """Cards before all others for those of the turns that nobody was asked about; those."""
    asked = store_unfamiliar(connection, bot, turn_ids, now)
    return candidates.ask(connection, bot, asked, _terms(connection, keyring, bot, now), now)


def _terms(connection: sa.Connection, keyring: Keyring, bot: str, now: datetime) -> Callable[[int], dict[str, object]]:
    """Those of each turn's card."""
    record = get_bot(connection, bot)
    return partial(rank_terms, keyring, record, blind=terms(connection, record, now))


def dismiss(connection: sa.Connection, bot: str, proposal_id: int, now: datetime, *, who: str) -> Proposal:
    """It does not come back while it is mostly the same turns. A repeat changes nothing; ProposalClosed when it was
    accepted, or has lapsed."""
    proposal = _locked(connection, bot, proposal_id)
    if proposal.status == "dismissed":
        return proposal
    _open(proposal)
    store.close(connection, proposal_id, "dismissed", now)
    audit.record(connection, bot, "proposal.dismiss", now, who, proposal=proposal_id)
    return store.get_proposal(connection, bot, proposal_id)


def _locked(connection: sa.Connection, bot: str, proposal_id: int) -> Proposal:
    live_bot(connection, bot)
    store.lock(connection, bot)
    return store.get_proposal(connection, bot, proposal_id)


def _open(proposal: Proposal) -> Proposal:
    if proposal.status != "open":
        raise ProposalClosed(proposal.id, proposal.status)
    return proposal
