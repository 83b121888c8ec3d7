"""The audit log: who changed what about the bot, and when."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get

from service.access.guard import requires
from service.access.log import Entry, Wanted, list_entries
from service.access.log_controllers import Action, Since, Until, Who, asked
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.console.frame import bot_page
from service.context import Context
from service.database import reading
from service.errors import BadInput
from service.page import Page
from service.reviews.controllers import Cursor

SHOWN = 50

# What was done, as a person says it. Of an older release's, not in here any more, the name is shown.
ACTIONS: Mapping[str, str] = {
    "alert.close": "closed an alert",
    "alert.open": "opened an alert",
    "alert.review": "sent an alert's turns to review",
    "audit-rate.set": "set the share of turns for the audit slice",
    "bot.archive": "archived the bot",
    "bot.create": "made the bot",
    "bot.restore": "brought the bot back",
    "bot.set": "changed settings",
    "boundary.review": "sent turns between two intents to review",
    "classifier.adapt": "asked for an encoder of the bot's own",
    "classifier.held": "held a classifier back",
    "classifier.hold": "held a classifier back",
    "classifier.promote": "promoted a classifier",
    "classifier.promoted": "promoted a classifier",
    "classifier.rollback": "rolled back to a classifier",
    "counts.mend": "mended what is counted by day",
    "dead.drop": "deleted a dead letter",
    "dead.replay": "replayed a dead letter",
    "endpoint.create": "added an outgoing webhook",
    "endpoint.remove": "removed an outgoing webhook",
    "endpoint.rotate": "rotated an outgoing webhook's secret",
    "endpoint.set": "changed an outgoing webhook",
    "event.replay": "sent events again",
    "export": "exported",
    "gold.import": "imported a gold set",
    "intent.archive": "archived an intent",
    "intent.create": "made an intent",
    "intent.describe": "described an intent",
    "intent.merge": "merged intents",
    "intent.propose": "proposed an intent",
    "intent.refuse": "refused a proposed name",
    "intent.rename": "renamed an intent",
    "intent.restore": "brought an intent back",
    "intents.import": "imported intents",
    "key.create": "made a key",
    "key.expire": "set a key's end",
    "key.revoke": "revoked a key",
    "key.rotate": "made a key's successor",
    "label.correct": "corrected a label",
    "labelling-functions.put": "changed the labelling functions",
    "person.grant": "granted a person a role",
    "person.revoke": "took a person's role back",
    "proposal.accept": "made a proposed intent one of the bot's",
    "proposal.dismiss": "dismissed a proposed intent",
    "proposal.review": "sent a proposed intent's turns to review",
    "release.create": "made a release",
    "session.close": "signed out",
    "session.end": "ended somebody's session",
    "session.open": "signed in",
    "sign_in.create": "made a sign-in link",
    "slack-app.add": "added a Slack app",
    "slack-app.remove": "removed a Slack app",
    "slack-role.remove": "took a role in Slack back",
    "slack-role.set": "gave a role in Slack",
    "source.archive": "archived a source",
    "source.create": "made a source",
    "source.restore": "brought a source back",
    "source.rotate": "rotated a source's secret",
    "source.set": "changed a source",
}

# Details that are ids, and the pages about them.
FOLDERS: Mapping[str, str] = {"turn": "turns", "intent": "intents", "into": "intents"}
CLASSIFIERS = ("n", "replaced", "champion")


class AuditController(Controller):
    path, include_in_schema = "/bots/{bot:str}/audit", False

    @get("/", guards=[requires("owner")], sync_to_thread=True)
    def show(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        who: Who = "",
        action: Action = "",
        since: Since = "",
        until: Until = "",
        cursor: Cursor = None,
    ) -> Response[str]:
        filters = {"who": who, "action": action, "from": since, "to": until}
        fault, wanted = None, Wanted()
        try:
            wanted = asked(who, action, since, until)
        except BadInput as error:
            fault = error
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            found = Page([]) if fault else list_entries(connection, bot, wanted, cursor, SHOWN)
        choices = [(name, f"{said} ({name})") for name, said in ACTIONS.items()]
        fields = {
            "found": found,
            "asked": filters,
            "fault": fault,
            "actions": ACTIONS,
            "choices": choices,
            "facts": facts,
        }
        return bot_page("audit.html", principal, bot, "Audit log", status=400 if fault else 200, **fields)


def facts(entry: Entry) -> Iterator[tuple[str, str, str]]:
    """An entry's details, to read, each with the path of the page about it, below the bot's own; "": there is none."""
    for name, value in entry.details.items():
        folder = "classifiers" if name in CLASSIFIERS and entry.action.startswith("classifier.") else FOLDERS.get(name)
        is_id = folder is not None and isinstance(value, int)
        yield _said(name, entry.action), _value(value), f"{folder}/{value}" if is_id else ""


def _said(name: str, action: str) -> str:
    """`n` is the number of what the action is about.

    >>> [_said(name, "release.create") for name in ("n", "low_water", "grace_s")]
    ['release', 'low water', 'grace in seconds']
    """
    if name == "n":
        return action.partition(".")[0]
    return (f"{name[:-2]}_in_seconds" if name.endswith("_s") else name).replace("_", " ")


def _value(value: Any) -> str:
    """
    >>> _value(5), _value(""), _value(None), _value([1, 2])
    ('5', 'empty', 'none', '[1,2]')
    """
    if value is None:
        return "none"
    if isinstance(value, str):
        return value or "empty"
    return msgspec.json.encode(value).decode()
