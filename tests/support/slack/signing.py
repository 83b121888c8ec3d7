"""Requests to the app's own URLs, as Slack sends and signs them."""

import hmac
import json
import time
from urllib.parse import urlencode

from tests.support.slack.checks import Json
from tests.support.slack.workspace import SIGNING_SECRET


def signed(
    payload: Json,
    *,
    secret: str = SIGNING_SECRET,
    at: float | None = None,
    body: str = "",
    retry: int = 0,
    reason: str = "http_timeout",
) -> tuple[bytes, dict[str, str]]:
    """Body and headers; `body` stands in for the payload. Slack itself retries events only."""
    body = body or body_of(payload)
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.digest(secret.encode(), f"v0:{stamp}:{body}".encode(), "sha256").hex()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
    if retry:
        headers |= {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": reason}
    kind = "application/json" if is_event(payload) else "application/x-www-form-urlencoded"
    return body.encode(), headers | {"Content-Type": kind}


def body_of(payload: Json) -> str:
    if is_event(payload):
        return json.dumps(payload)
    return urlencode(payload) if "command" in payload else urlencode({"payload": json.dumps(payload)})


def is_event(payload: Json) -> bool:
    return payload.get("type") in ("event_callback", "url_verification")
