"""How senders sign, by scheme: written after the schemes' public descriptions, and not with the code under test."""

import base64
import hmac
from collections.abc import Callable
from datetime import datetime

from standardwebhooks.webhooks import Webhook

Headers = dict[str, str]
Signer = Callable[[str, bytes, datetime, str], Headers]  # secret, body, when, the delivery's id where one is sent


def mac(secret: str, text: bytes, hash: str = "sha256") -> bytes:
    return hmac.new(secret.encode(), text, hash).digest()


def unix(at: datetime) -> str:
    return str(int(at.timestamp()))


def standard_webhooks(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    signature = Webhook(secret).sign(own_id, at, body.decode())
    return {"webhook-id": own_id, "webhook-timestamp": unix(at), "webhook-signature": signature}


def github(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    return {"x-hub-signature-256": "sha256=" + mac(secret, body).hex(), "x-github-delivery": own_id}


def slack(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    signature = "v0=" + mac(secret, f"v0:{unix(at)}:".encode() + body).hex()
    return {"x-slack-request-timestamp": unix(at), "x-slack-signature": signature}


def stripe(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    signature = mac(secret, f"{unix(at)}.".encode() + body).hex()
    return {"stripe-signature": f"t={unix(at)},v1={'0' * 64},v1={signature},v0={'1' * 64}"}


def chatwoot(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    signature = "sha256=" + mac(secret, f"{unix(at)}.".encode() + body).hex()
    return {"x-chatwoot-timestamp": unix(at), "x-chatwoot-signature": signature, "x-chatwoot-delivery": own_id}


def intercom(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    return {"x-hub-signature": "sha1=" + mac(secret, body, "sha1").hex()}


def zendesk(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    sent = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = base64.b64encode(mac(secret, sent.encode() + body)).decode()
    return {"x-zendesk-webhook-signature-timestamp": sent, "x-zendesk-webhook-signature": signature}


def shared_key(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    return {"x-api-key": secret}


def unsigned(secret: str, body: bytes, at: datetime, own_id: str) -> Headers:
    return {}


SIGNERS: dict[str, Signer] = {
    signer.__name__: signer
    for signer in (standard_webhooks, github, slack, stripe, chatwoot, intercom, zendesk, shared_key, unsigned)
}
