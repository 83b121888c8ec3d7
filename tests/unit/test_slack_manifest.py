"""The app manifest has the shape that Slack documents, and asks for no more than is used."""

import doctest
import re
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from integrations.slack import manifest, people
from service.cli import cli
from service.errors import BadInput
from service.settings import Settings
from tests.support.slack.api import METHODS

# Field by field after https://docs.slack.dev/reference/app-manifest: the most characters of a text, bool, or what may
# stand in a list. Of what Fencepost does not use only a part is here.
URL = 2_048  # our own bound: Slack names none
SHAPE: dict[str, Any] = {
    "display_information": {"name": 35, "description": 140, "long_description": 4_000, "background_color": 7},
    "features": {
        "app_home": {"home_tab_enabled": bool, "messages_tab_enabled": bool, "messages_tab_read_only_enabled": bool},
        "bot_user": {"display_name": 80, "always_online": bool},
        "shortcuts": [{"name": 24, "type": 7, "callback_id": 255, "description": 150}],
        "slash_commands": [
            {"command": 32, "description": 2_000, "usage_hint": 1_000, "should_escape": bool, "url": URL}
        ],
    },
    "oauth_config": {"redirect_urls": [URL], "scopes": {"bot": [64], "user": [64]}},
    "settings": {
        "event_subscriptions": {"request_url": URL, "bot_events": [64], "user_events": [64]},
        "interactivity": {"is_enabled": bool, "request_url": URL, "message_menu_options_url": URL},
        "org_deploy_enabled": bool,
        "socket_mode_enabled": bool,
        "token_rotation_enabled": bool,
    },
}


def faults(given: Any, shape: Any, path: str = "$") -> list[str]:
    """Where the manifest is not of the shape."""
    match shape:
        case dict():
            unknown = [f"{path}.{name}: no such field" for name in given.keys() - shape.keys()]
            known = given.keys() & shape.keys()
            return unknown + [fault for name in known for fault in faults(given[name], shape[name], f"{path}.{name}")]
        case [one]:
            return [fault for n, item in enumerate(given) for fault in faults(item, one, f"{path}[{n}]")]
        case int():
            return [] if isinstance(given, str) and 0 < len(given) <= shape else [f"{path}: {given!r}"]
    return [] if isinstance(given, shape) else [f"{path}: {given!r}"]


ALL = [manifest.manifest(url, user_groups=groups) for url in ("", "https://fp.example.com") for groups in (False, True)]


@pytest.mark.parametrize("made", ALL)
def test_it_has_the_documented_shape(made: dict[str, Any]) -> None:
    assert faults(made, SHAPE) == []
    assert re.fullmatch(r"[a-z0-9._-]+", made["features"]["bot_user"]["display_name"])
    assert made["features"]["shortcuts"][0]["type"] in ("message", "global")
    assert made["features"]["slash_commands"][0]["command"].startswith("/")


def test_the_check_would_see_a_fault() -> None:
    made = manifest.manifest()
    made["display_information"] |= {"name": "n" * 36, "colour": "red"}
    made["settings"]["socket_mode_enabled"] = "yes"
    assert sorted(faults(made, SHAPE)) == [
        "$.display_information.colour: no such field",
        f"$.display_information.name: {'n' * 36!r}",
        "$.settings.socket_mode_enabled: 'yes'",
    ]


def test_every_scope_is_one_that_a_method_or_a_command_takes() -> None:
    asked = set(manifest.scopes(user_groups=True))
    history = {"channels:history", "groups:history"}  # one of the two, by the channel's kind
    used = {"chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral", "usergroups.users.list"}
    used |= {"files.getUploadURLExternal", "files.completeUploadExternal"}
    assert asked - history == {METHODS[name].scope for name in used} | {"commands"}
    assert set(manifest.scopes(user_groups=False)) == asked - {"usergroups:read"}


def test_socket_mode_needs_no_url_and_the_events_url_is_asked_everything() -> None:
    urls = re.compile(rb'"(\w*url)":"([^"]+)"')
    assert urls.findall(msgspec.json.encode(manifest.manifest())) == []
    assert manifest.manifest()["settings"]["socket_mode_enabled"] is True
    made = manifest.manifest("https://fp.example.com/slack/events")
    assert made["settings"]["socket_mode_enabled"] is False
    assert sorted(urls.findall(msgspec.json.encode(made))) == [
        (name, b"https://fp.example.com/slack/events")
        for name in (b"message_menu_options_url", b"request_url", b"request_url", b"url")
    ]


def test_slack_asks_for_https() -> None:
    with pytest.raises(BadInput, match="https"):
        manifest.manifest("http://fp.example.com")


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(cli, ["slack", "manifest", "--user-groups"], obj=Settings())
    assert msgspec.json.decode(printed.output) == manifest.manifest(user_groups=True)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(manifest).failed == doctest.testmod(people).failed == 0
