"""Signature schemes of webhooks.

Each answers the delivery's id; whatever it raises means that the delivery is not signed. A scheme that gives deliveries
no id, or leaves it unsigned and optional, knows them by their body. Where a scheme signs the time of sending, that may
be `tolerance_s` off. Of several secrets any may have signed: that is how they are rotated.

Signatures are compared as they are written, in constant time. Headers are Latin-1, as HTTP has them. The library of
Standard Webhooks signs what we send; its verifier takes text only and knows a single tolerance.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from service.turns.parsing import SignatureError, Verifier

Headers = Mapping[str, str]  # by lower-case name


def standard_webhooks(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`webhook-signature`: "v1," and base64 of HMAC-SHA256 over `id.timestamp.body`, or several such, spaced."""
    own_id, at = headers["webhook-id"], headers["webhook-timestamp"]
    _check_age(float(at), now, tolerance_s)
    keys = [base64.b64decode(secret.removeprefix("whsec_") + "==") for secret in secrets]
    made = [b"v1," + base64.b64encode(_sha256(key, _raw(f"{own_id}.{at}."), body)) for key in keys]
    _check(made, headers["webhook-signature"].split(" "))
    if not own_id:
        raise SignatureError
    return own_id


def github(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`x-hub-signature-256`: "sha256=" and hex of HMAC-SHA256 over the body. Says no time."""
    made = [b"sha256=" + _sha256(secret.encode(), body).hex().encode() for secret in secrets]
    _check(made, [headers["x-hub-signature-256"]])
    return headers.get("x-github-delivery") or content_id(body)


def slack(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`x-slack-signature`: "v0=" and hex of HMAC-SHA256 over `v0:timestamp:body`."""
    at = headers["x-slack-request-timestamp"]
    _check_age(float(at), now, tolerance_s)
    made = [b"v0=" + _sha256(secret.encode(), _raw(f"v0:{at}:"), body).hex().encode() for secret in secrets]
    _check(made, [headers["x-slack-signature"]])
    return content_id(body)


def stripe(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`stripe-signature`: `t=timestamp,v1=…` with hex of HMAC-SHA256 over `timestamp.body`; v1 may stand repeatedly."""
    pairs = [part.strip().partition("=") for part in headers["stripe-signature"].split(",")]
    at = next(value for name, _, value in pairs if name == "t")
    _check_age(float(at), now, tolerance_s)
    made = [_sha256(secret.encode(), _raw(f"{at}."), body).hex().encode() for secret in secrets]
    _check(made, [value for name, _, value in pairs if name == "v1"])
    return content_id(body)


def chatwoot(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`x-chatwoot-signature`: "sha256=" and hex of HMAC-SHA256 over `timestamp.body`."""
    at = headers["x-chatwoot-timestamp"]
    _check_age(float(at), now, tolerance_s)
    made = [b"sha256=" + _sha256(secret.encode(), _raw(f"{at}."), body).hex().encode() for secret in secrets]
    _check(made, [headers["x-chatwoot-signature"]])
    return headers.get("x-chatwoot-delivery") or content_id(body)


def intercom(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`x-hub-signature`: "sha1=" and hex of HMAC-SHA1 over the body, the app's client secret being the key."""
    made = [b"sha1=" + hmac.digest(secret.encode(), body, "sha1").hex().encode() for secret in secrets]
    _check(made, [headers["x-hub-signature"]])
    return content_id(body)


def zendesk(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """`x-zendesk-webhook-signature`: base64 of HMAC-SHA256 over the timestamp, an RFC 3339 text, and the body."""
    at = headers["x-zendesk-webhook-signature-timestamp"]
    sent_at = datetime.fromisoformat(at)
    _check_age((sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)).timestamp(), now, tolerance_s)
    made = [base64.b64encode(_sha256(secret.encode(), _raw(at), body)) for secret in secrets]
    _check(made, [headers["x-zendesk-webhook-signature"]])
    return content_id(body)


def shared_key(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """The secret itself, as `x-api-key` or as a bearer token: for senders that can add a header and sign nothing."""
    sent = headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")
    _check([secret.encode() for secret in secrets], [sent])
    return content_id(body)


def unsigned(body: bytes, headers: Headers, secrets: Sequence[str], *, now: datetime, tolerance_s: int) -> str:
    """Anybody who knows the address."""
    return content_id(body)


def content_id(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _check_age(at: float, now: datetime, tolerance_s: int) -> None:
    if not abs(now.timestamp() - at) <= tolerance_s:  # so written, NaN fails too
        raise SignatureError


def _sha256(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def _raw(text: str) -> bytes:
    """The bytes that a header stood in."""
    return text.encode("latin-1")


def _check(made: Sequence[bytes], sent: Iterable[str]) -> None:
    if not any([hmac.compare_digest(one, _raw(other)) for other in sent for one in made]):
        raise SignatureError


SCHEMES: dict[str, Verifier] = {
    verifier.__name__: verifier
    for verifier in (standard_webhooks, github, slack, stripe, chatwoot, intercom, zendesk, shared_key, unsigned)
}
