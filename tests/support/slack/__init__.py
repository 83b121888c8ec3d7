"""Slack, as far as Fencepost uses it: the Web API, Socket Mode and signed requests over real HTTP and WebSocket on
loopback, for the real slack_sdk.

Strict: it refuses unknown methods and arguments, wrong tokens, missing scopes, bad Block Kit, spent and late triggers,
stale view hashes and too many requests. On demand it fails as Slack fails. People in it act by name.

Its limits with their sources stand in `limits`. What Slack does not document is the stand-in's own choice, and said
where it is made: no bursts above a tier's rate, one post a second and channel without exception, unknown arguments
refused, and a view opened while another is open takes its place."""

from tests.support.slack.block_kit import problems, view_problems
from tests.support.slack.checks import Json, option_problems
from tests.support.slack.forms import CannotSubmit
from tests.support.slack.people import NoSuchElement
from tests.support.slack.server import running
from tests.support.slack.signing import signed
from tests.support.slack.stand_in import Slack, options_of
from tests.support.slack.workspace import APP, APP_TOKEN, BOT_TOKEN, BOT_USER, CHANNEL, SIGNING_SECRET, TEAM, Fault

__all__ = (
    "APP",
    "APP_TOKEN",
    "BOT_TOKEN",
    "BOT_USER",
    "CHANNEL",
    "SIGNING_SECRET",
    "TEAM",
    "CannotSubmit",
    "Fault",
    "Json",
    "NoSuchElement",
    "Slack",
    "option_problems",
    "options_of",
    "problems",
    "running",
    "signed",
    "view_problems",
)
