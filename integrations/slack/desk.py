"""What every listener works with, and how it speaks to Slack after its ack."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from integrations.slack.client import FAILURES, Client, answering, error_name, posting
from integrations.slack.modals import Modals
from integrations.slack.redrawing import Redrawer
from service.context import Context
from service.errors import BadInput, CardClosed, Conflict, FencepostError, Forbidden, Gone, NotFound

log = structlog.get_logger()

REFUSALS = (BadInput, Conflict, Forbidden, Gone, NotFound)  # the person is told; anything else is ours to mend


class Desk(NamedTuple):
    context: Context
    client: Client
    redrawer: Redrawer
    modals: Modals


def open_desk(context: Context) -> Desk:
    client = answering(context.settings, context.engine)
    return Desk(context, client, Redrawer(posting(context.settings, context.engine)), Modals(client))


@contextmanager
def forgiving(what: str, **fields: str) -> Iterator[None]:
    """Slack being away does not matter after the ack: what counts is stored, and shown when it is drawn again."""
    try:
        yield
    except FAILURES as error:
        log.warning(what, **fields, error=error_name(error))


def reason(refusal: FencepostError) -> str:
    """In words for the person; escape them where Slack would read mrkdwn."""
    if isinstance(refusal, CardClosed):
        return "somebody else has answered this card"
    if type(refusal) is Conflict:
        return "you have no answer on this card to take back"
    return f"{refusal.detail}: {refusal.hint}" if refusal.hint else refusal.detail
