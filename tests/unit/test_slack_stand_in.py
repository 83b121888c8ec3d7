"""The stand-in for Slack refuses what Slack refuses, and its people can do no more than people can."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.webhook import WebhookClient

from tests.support import slack as stand_in
from tests.support.slack import (
    APP_TOKEN,
    BOT_TOKEN,
    CHANNEL,
    SIGNING_SECRET,
    CannotSubmit,
    Json,
    NoSuchElement,
    Slack,
    problems,
    signed,
    view_problems,
)


class Clock:
    def __init__(self) -> None:
        self.at = 1_772_445_600.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Iterator[Slack]:
    with stand_in.running(clock) as workspace:
        yield workspace


@pytest.fixture
def client(slack: Slack) -> WebClient:
    return WebClient(BOT_TOKEN, base_url=f"{slack.url}/api", timeout=2, retry_handlers=[])


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(SlackApiError) as caught:
        call()
    return str(caught.value.response["error"])


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(name: str = "a", **fields: Any) -> Json:
    return {"type": "button", "action_id": name, "text": plain("Go"), **fields}


def actions(*elements: Json, block_id: str = "b") -> Json:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def option(value: str = "v", **fields: Any) -> Json:
    return {"text": plain(value), "value": value, **fields}


def entry(element: Json, block_id: str = "in", **fields: Any) -> Json:
    return {"type": "input", "block_id": block_id, "label": plain("Name"), "element": element, **fields}


def typed(**fields: Any) -> Json:
    return {"type": "plain_text_input", "action_id": "t", **fields}


def modal(*blocks: Json, **fields: Any) -> Json:
    own = {"submit": plain("Save")} if any(block["type"] == "input" for block in blocks) else {}
    return {"type": "modal", "title": plain("Review"), "blocks": list(blocks), **own, **fields}


def image(file_id: str) -> Json:
    return {"type": "image", "alt_text": "a chart", "slack_file": {"id": file_id}}


DIVIDER: Json = {"type": "divider"}
SURE: Json = {"title": plain("Sure?"), "text": plain("x" * 300), "confirm": plain("Yes"), "deny": plain("No")}
SELECT: Json = {"type": "external_select", "action_id": "other", "min_query_length": 0}


@pytest.mark.parametrize(
    "block",
    [
        actions(button("x" * 256)),
        actions(button(value="x" * 2001)),
        actions(button(text=plain("x" * 76))),
        actions(button(text=plain(""))),
        actions(button(text={"type": "mrkdwn", "text": "Go"})),
        actions(button(style="green")),
        actions(button(colour="green")),
        actions(button(), button()),
        actions(*(button(str(n)) for n in range(26))),
        actions(),
        actions(typed()),
        actions(button(), block_id="x" * 256),
        actions({"type": "static_select", "action_id": "s", "options": []}),
        actions({"type": "static_select", "action_id": "s", "options": [option(str(n)) for n in range(101)]}),
        actions({"type": "static_select", "action_id": "s", "options": [option("x" * 76)]}),
        actions({"type": "static_select", "action_id": "s", "options": [option()], "initial_option": option("w")}),
        actions({"type": "static_select", "action_id": "s", "options": [option(description=plain("x" * 76))]}),
        actions({"type": "overflow", "action_id": "o", "options": [option(str(n)) for n in range(6)]}),
        actions(button(confirm=SURE | {"text": plain("x" * 301)})),
        actions(button(confirm=SURE | {"colour": "green"})),
        {"type": "section", "text": plain("x" * 3001)},
        {"type": "section"},
        {"type": "section", "fields": [plain(str(n)) for n in range(11)]},
        {"type": "header", "text": plain("x" * 151)},
        {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
        {"type": "context", "elements": [plain(str(n)) for n in range(11)]},
        {"type": "image", "alt_text": "a chart"},
        {"type": "image", "alt_text": "a chart", "slack_file": {"id": "F1", "url": "https://files.test"}},
        {"type": "image", "slack_file": {"id": "F1"}},
        {"type": "rich_text", "elements": []},
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}]},
        {"type": "table", "rows": []},
        entry(typed(initial_value="x" * 11, max_length=10)),
        entry(typed(max_length=3001)),
        entry(button()),
        entry(typed(), label=plain("x" * 2001)),
    ],
)
def test_bad_blocks_are_refused(block: Json) -> None:
    assert len(problems([block])) == 1


def test_what_is_just_within_the_limits_is_taken() -> None:
    blocks = [
        actions(button(confirm=SURE), block_id="sure"),
        actions(*(button(f"a{n}", text=plain("x" * 75), value="x" * 2000) for n in range(25)), block_id="x" * 255),
        actions({"type": "static_select", "action_id": "s", "options": [option(str(n)) for n in range(100)]}),
        entry(typed(initial_value="x" * 3000, max_length=3000), optional=True, hint=plain("as the bot calls it")),
        {"type": "section", "text": plain("x" * 3000), "accessory": button()},
        {"type": "header", "text": plain("x" * 150)},
        {"type": "image", "alt_text": "a chart", "slack_file": {"id": "F1"}},
    ]
    assert problems(blocks + [DIVIDER] * 43) == []
    assert len(problems(blocks + [DIVIDER] * 44)) == 1
    assert view_problems(modal(*blocks, *[DIVIDER] * 93)) == []
    assert len(problems([*blocks, blocks[0]])) == 1


@pytest.mark.parametrize(
    "view",
    [
        modal(DIVIDER, title=plain("x" * 25)),
        modal(DIVIDER, submit=plain("x" * 25)),
        modal(DIVIDER, close=plain("x" * 25)),
        modal(DIVIDER, private_metadata="x" * 3001),
        modal(DIVIDER, callback_id="x" * 256),
        modal(*[DIVIDER] * 101),
        modal(DIVIDER, colour="green"),
        {"type": "modal", "blocks": [DIVIDER]},
        {"type": "modal", "title": plain("Review"), "blocks": [entry(typed())]},
        {"type": "home", "title": plain("Home"), "blocks": [DIVIDER]},
        {"type": "card", "blocks": [DIVIDER]},
    ],
)
def test_bad_views_are_refused(view: Json) -> None:
    assert len(view_problems(view)) == 1


def test_slack_says_what_is_wrong_with_a_view(slack: Slack, client: WebClient) -> None:
    with pytest.raises(SlackApiError, match="view title is not 1 to 24 characters"):
        client.views_open(trigger_id=slack.trigger("U1"), view=modal(DIVIDER, title=plain("x" * 25)))


def test_unknown_methods_arguments_tokens_and_missing_scopes_are_refused(slack: Slack, client: WebClient) -> None:
    assert refusal(lambda: client.api_call("chat.shout")) == "unknown_method"
    assert refusal(lambda: client.chat_postMessage(channel=CHANNEL, text="hi", colour="green")) == "invalid_arguments"
    assert refusal(lambda: client.api_call("chat.update", json={"channel": CHANNEL})) == "invalid_arguments"
    assert refusal(lambda: client.chat_postMessage(channel="C9", text="hi")) == "channel_not_found"
    slack.scopes.remove("chat:write")
    assert refusal(lambda: client.chat_postMessage(channel=CHANNEL, text="hi")) == "missing_scope"
    assert "chat:write" not in client.auth_test().headers["x-oauth-scopes"].split(",")
    for token, error in {"": "not_authed", "xoxb-other": "invalid_auth", APP_TOKEN: "not_allowed_token_type"}.items():
        client.token = token
        assert refusal(lambda: client.conversations_info(channel=CHANNEL)) == error


def test_a_bot_posts_only_where_it_is_a_member(slack: Slack, client: WebClient) -> None:
    slack.add_channel("C2", "other", is_member=False)
    assert refusal(lambda: client.chat_postMessage(channel="C2", text="hi")) == "not_in_channel"
    client.conversations_join(channel="C2")
    client.chat_postMessage(channel="C2", text="hi")
    assert client.conversations_info(channel="C2")["channel"]["is_member"] is True


def test_one_post_a_second_and_channel(slack: Slack, client: WebClient, clock: Clock) -> None:
    slack.add_channel("C2", "other")
    client.chat_postMessage(channel=CHANNEL, text="one")
    client.chat_postMessage(channel="C2", text="one")
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel=CHANNEL, text="two")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
    clock.at += 1
    client.chat_postMessage(channel=CHANNEL, text="two")
    assert [message["text"] for message in slack.messages[CHANNEL]] == ["one", "two"]
    assert slack.limited == {"chat.postMessage": 1}


def test_a_tier_bounds_the_requests_of_any_minute(slack: Slack, client: WebClient, clock: Clock) -> None:
    slack.groups["S1"] = ["U1"]
    for _ in range(20):
        assert client.usergroups_users_list(usergroup="S1")["users"] == ["U1"]
        clock.at += 1
    with pytest.raises(SlackApiError) as caught:
        client.usergroups_users_list(usergroup="S1")
    assert caught.value.response.headers["Retry-After"] == "40"
    clock.at += 40
    client.usergroups_users_list(usergroup="S1")


def test_a_trigger_opens_one_view_within_three_seconds(slack: Slack, client: WebClient, clock: Clock) -> None:
    trigger, late = slack.trigger("U1"), slack.trigger("U1")
    client.views_open(trigger_id=trigger, view=modal(DIVIDER))
    assert refusal(lambda: client.views_open(trigger_id=trigger, view=modal(DIVIDER))) == "exchanged_trigger_id"
    assert refusal(lambda: client.views_open(trigger_id="1.2.3", view=modal(DIVIDER))) == "invalid_trigger_id"
    clock.at += 3.1
    assert refusal(lambda: client.views_open(trigger_id=late, view=modal(DIVIDER))) == "expired_trigger_id"


def open_modal(slack: Slack, client: WebClient, view: Json) -> Json:
    client.views_open(trigger_id=slack.command("U1", "/fencepost")["trigger_id"], view=view)
    return slack.view("U1")


def test_an_update_with_a_stale_hash_conflicts(slack: Slack, client: WebClient) -> None:
    view = open_modal(slack, client, modal(DIVIDER))
    client.views_update(view_id=view["id"], hash=view["hash"], view=modal(DIVIDER, title=plain("Second")))
    stale = {"view_id": view["id"], "hash": view["hash"], "view": modal(DIVIDER)}
    assert refusal(lambda: client.views_update(**stale)) == "hash_conflict"
    assert slack.view("U1")["title"]["text"] == "Second"
    assert refusal(lambda: client.views_update(view_id="V0", view=modal(DIVIDER))) == "not_found"


def test_a_stack_holds_three_views_and_closing_shows_the_one_below(slack: Slack, client: WebClient) -> None:
    open_modal(slack, client, modal(actions(button())))
    for title in ("Second", "Third"):
        trigger = slack.click("U1", slack.view("U1"), "Go")["trigger_id"]
        client.views_push(trigger_id=trigger, view=modal(actions(button()), title=plain(title), notify_on_close=True))
    trigger = slack.click("U1", slack.view("U1"), "Go")["trigger_id"]
    assert refusal(lambda: client.views_push(trigger_id=trigger, view=modal(DIVIDER))) == "push_limit_reached"
    closed = slack.close("U1")
    assert closed is not None
    assert (closed["type"], closed["view"]["title"]["text"]) == ("view_closed", "Third")
    assert slack.view("U1")["title"]["text"] == "Second"
    slack.close("U1")
    assert slack.close("U1") is None  # nobody asked to be told


def test_only_an_interaction_in_a_modal_can_push(slack: Slack, client: WebClient) -> None:
    trigger = slack.command("U1", "/fencepost")["trigger_id"]
    assert refusal(lambda: client.views_push(trigger_id=trigger, view=modal(DIVIDER))) == "not_found"


def test_a_form_is_submitted_with_what_was_filled_in(slack: Slack, client: WebClient) -> None:
    size = {"type": "static_select", "action_id": "size", "options": [option("big"), option("small")]}
    open_modal(slack, client, modal(entry(typed(max_length=5)), entry(size, "size", optional=True)))
    with pytest.raises(CannotSubmit, match="Name is empty"):
        slack.submit("U1")
    slack.fill("U1", {"t": "too long"})
    with pytest.raises(CannotSubmit, match="too long"):
        slack.submit("U1")
    slack.fill("U1", {"in": "short", "size": "small"})
    assert slack.submit("U1")["view"]["state"]["values"] == {
        "in": {"t": {"type": "plain_text_input", "value": "short"}},
        "size": {"size": {"type": "static_select", "selected_option": option("small")}},
    }


def test_what_slack_does_with_the_answer_to_a_submission(slack: Slack, client: WebClient) -> None:
    view = open_modal(slack, client, modal(entry(typed(initial_value="x"))))
    payload = slack.submit("U1")
    errors = {"response_action": "errors", "errors": {"in": "no such intent"}}
    assert slack.answered(payload, errors) == {"in": "no such intent"}
    with pytest.raises(Exception, match="invalid_arguments"):
        slack.answered(payload, {"response_action": "errors", "errors": {"elsewhere": "no"}})
    slack.answered(payload, {"response_action": "push", "view": modal(DIVIDER, title=plain("Second"))})
    assert slack.view("U1")["previous_view_id"] == view["id"]
    slack.close("U1")
    slack.answered(payload, {"response_action": "update", "view": modal(DIVIDER, title=plain("Third"))})
    assert (slack.view("U1")["id"], slack.view("U1")["title"]["text"]) == (view["id"], "Third")
    slack.answered(payload, {})
    assert slack.stacks["U1"] == []


def test_fields_that_keep_their_names_keep_what_was_filled_in(slack: Slack, client: WebClient) -> None:
    view = open_modal(slack, client, modal(entry(typed())))
    slack.fill("U1", {"Name": "kept"})
    client.views_update(view_id=view["id"], view=modal(entry(typed(initial_value="new")), entry(typed(), "in2")))
    values = slack.view("U1")["state"]["values"]
    assert (values["in"]["t"]["value"], values["in2"]["t"]["value"]) == ("kept", None)


def test_people_click_only_what_is_there(slack: Slack, client: WebClient) -> None:
    client.chat_postMessage(
        channel=CHANNEL, text="hi", blocks=[actions(button(value="1")), actions(button(), block_id="c")]
    )
    message = slack.messages[CHANNEL][0]
    assert slack.click("U1", message, "Go", within="c")["actions"][0]["block_id"] == "c"
    with pytest.raises(NoSuchElement):
        slack.click("U1", message, "Stop")
    with pytest.raises(NoSuchElement):
        slack.type_into("U1", message, "ref")


def test_a_click_in_a_view_carries_the_view_and_no_response_url(slack: Slack, client: WebClient) -> None:
    view = open_modal(slack, client, modal(actions(button(), SELECT)))
    click = slack.choose("U1", view, option("7"))
    assert (click["container"], "response_url" in click) == ({"type": "view", "view_id": view["id"]}, False)
    assert click["view"]["hash"] == view["hash"]
    assert click["view"]["state"]["values"]["b"]["other"]["selected_option"]["value"] == "7"


def test_home_is_published_for_a_known_person(slack: Slack, client: WebClient) -> None:
    assert "view" not in slack.open_home("U1")["event"]
    home = {"type": "home", "blocks": [DIVIDER]}
    shown = client.views_publish(user_id="U1", view=home)["view"]
    assert slack.open_home("U1")["event"]["view"]["id"] == shown["id"]
    assert refusal(lambda: client.views_publish(user_id="U1", view=home, hash="0")) == "hash_conflict"
    assert refusal(lambda: client.views_publish(user_id="U77", view=home)) == "user_not_found"


def test_a_response_url_serves_five_times_in_half_an_hour(slack: Slack, clock: Clock) -> None:
    used, late = (WebhookClient(slack.command("U1", "/fencepost")["response_url"]) for _ in range(2))
    assert [used.send(text="hi").status_code for _ in range(6)] == [200] * 5 + [404]
    assert slack.ephemerals == [{"user": "U1", "text": "hi"}] * 5
    clock.at += 1801
    assert late.send(text="hi").status_code == 404


def test_a_file_is_uploaded_in_three_steps(slack: Slack, client: WebClient) -> None:
    client.files_upload_v2(channel=CHANNEL, filename="chart.png", content=b"PNG", title="Progress")
    (file,) = slack.files.values()
    assert (file["content"], file["title"], file["channel"], file["is_complete"]) == (b"PNG", "Progress", CHANNEL, True)


PNG = b"\x89PNG\r\n\x1a\n"


def test_a_block_names_a_picture_of_the_apps_once_it_is_processed(
    slack: Slack, client: WebClient, clock: Clock
) -> None:
    def post(file_id: str) -> object:
        clock.at += 1
        return client.chat_postMessage(channel=CHANNEL, text="hi", blocks=[image(file_id)])

    def publish(file_id: str) -> object:
        return client.views_publish(user_id="U1", view={"type": "home", "blocks": [image(file_id)]})

    picture, text = (
        client.files_upload_v2(filename="chart", content=content)["file"]["id"] for content in (PNG, b"hello")
    )
    unfinished = client.files_getUploadURLExternal(filename="chart.png", length=3)["file_id"]
    assert refusal(lambda: post(picture)) == refusal(lambda: publish(picture)) == "invalid_blocks"
    clock.at += 10
    post(picture)
    publish(picture)
    for bad in (text, unfinished, "F99999999"):
        assert refusal(lambda bad=bad: post(bad)) == "invalid_blocks"
    newer = client.files_upload_v2(filename="chart", content=PNG)["file"]["id"]
    slack.process_files()
    post(newer)


@pytest.mark.parametrize(("fault", "count"), [("error", 0), ("error_after", 1), ("drop_after", 1), ("timeout", 1)])
def test_slack_fails_before_or_after_it_has_accepted(slack: Slack, client: WebClient, fault: str, count: int) -> None:
    client.timeout = 1 if fault == "timeout" else 5
    slack.fail("chat.postMessage", fault)
    with pytest.raises((SlackApiError, OSError)):
        client.chat_postMessage(channel=CHANNEL, text="hi")
    assert len(slack.messages[CHANNEL]) == count
    assert slack.injected == {fault: 1}


def test_requests_are_signed_as_slack_signs(slack: Slack) -> None:
    verifier = SignatureVerifier(SIGNING_SECRET)
    command, event = slack.command("U1", "/fencepost", "help"), slack.open_home("U1")
    body, headers = signed(command)
    assert parse_qs(body.decode())["text"] == ["help"]
    assert verifier.is_valid_request(body, headers)
    body, headers = signed(event, retry=2)
    assert headers["X-Slack-Retry-Num"] == "2"
    assert headers["Content-Type"] == "application/json"
    assert verifier.is_valid_request(body, headers)
    assert not verifier.is_valid_request(body + b" ", headers)


def test_socket_mode_goes_on_over_a_new_link(slack: Slack) -> None:
    seen: list[str] = []
    client = SocketModeClient(APP_TOKEN, web_client=WebClient(base_url=f"{slack.url}/api"))

    def answer(client: SocketModeClient, request: SocketModeRequest) -> None:
        seen.append(request.type)
        client.send_socket_mode_response(SocketModeResponse(request.envelope_id, {"text": "done"}))

    client.socket_mode_request_listeners.append(answer)  # type: ignore[arg-type]
    client.connect()
    try:
        assert slack.send(slack.command("U1", "/fencepost", "x" * 70_000)) == {"text": "done"}
        slack.disconnect()
        slack.send(slack.open_home("U1"))
        slack.drop()  # else the client waits three seconds for more before it closes
    finally:
        client.close()
    assert seen == ["slash_commands", "events_api"]
    assert len(slack.ack_waits_s) == 2
