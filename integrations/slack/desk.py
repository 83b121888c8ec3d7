"""What every listener works with, and how it speaks to Slack after its ack."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import NamedTuple

import structlog
from slack_sdk.errors import SlackApiError

from integrations.slack.client import Client, answering, posting
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
    except SlackApiError as error:
        log.warning(what, **fields, error=str(error.response.get("error")))
    except (OSError, HTTPException) as error:
        log.warning(what, **fields, error=type(error).__name__)


def reason(refusal: FencepostError) -> str:
    """In words for the person; escape them where Slack would read mrkdwn."""
    if isinstance(refusal, CardClosed):
        return "somebody else has answered this card"
    if type(refusal) is Conflict:
        return "you have no answer on this card to take back"
    return f"{refusal.detail}: {refusal.hint}" if refusal.hint else refusal.detail
