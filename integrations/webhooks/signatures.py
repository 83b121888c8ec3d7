"""Signature schemes of webhooks. Each answers the delivery's id or raises SignatureError, whatever the caller sends."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import floor

from standardwebhooks.webhooks import Webhook, hmac_data

from service.turns.parsing import SignatureError, Verifier


class _Bytes(Webhook):
    """The library signs text; a body is bytes that need not be UTF-8. They come as Latin-1, one character a byte."""

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        head = f"{msg_id}.{floor(timestamp.timestamp())}.".encode()
        signature = hmac_data(self._whsecret, head + data.encode("latin-1"))
        return f"v1,{base64.b64encode(signature).decode()}"


def standard_webhooks(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> str:
    """Headers `webhook-id`, `-timestamp` (5 minutes of tolerance), `-signature`; HMAC-SHA256 of `id.timestamp.body`."""
    named = {name.lower(): value for name, value in headers.items() if name.lower().startswith("webhook-")}
    if not any(_is_signed(secret, body, named) for secret in secrets):
        raise SignatureError
    return named["webhook-id"]


def _is_signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        _Bytes(secret).verify(body.decode("latin-1"), headers, json_parse=False)
    except Exception:  # noqa: BLE001 - garbage in a header makes the library raise ValueError, binascii.Error and more
        return False
    return True


SCHEMES: dict[str, Verifier] = {"standard_webhooks": standard_webhooks}
