"""The other end of the webhook: signs deliveries and posts them, as a bot's platform does."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from service.errors import BadInput, Conflict, Unavailable
from service.turns.logs import Delivery
from service.turns.schemas import Receipt

PATIENCE_S = 120.0  # how long a delivery is retried while the server is away or full
PAUSE_S = 1.0
TIMEOUT_S = 30.0

_decode = msgspec.json.Decoder(Receipt).decode


class NotTaken(Conflict):
    """The server refused for good."""

    type = "not-taken"


class Sender:
    """Posts to one source over one kept connection; not to be shared between threads."""

    def __init__(self, url: str, bot: str, source: str, secret: str, *, patience_s: float = PATIENCE_S) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"{url!r} is not the address of a server", hint="http://127.0.0.1:8765")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._url, self._path = url, f"{parts.path.rstrip('/')}/webhooks/{bot}/{source}"
        self._webhook, self._patience_s = _signer(secret), patience_s

    def close(self) -> None:
        self._connection.close()

    def send(self, delivery: Delivery) -> Receipt:
        """The server's answer; NotTaken when it refuses.

        Waits while the server is away or its stream is full; after `patience_s` Unavailable.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                status, pause_s, answer = self._post(delivery)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                status, pause_s, answer = (
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    PAUSE_S,
                    f"{type(error).__name__}: {error}".encode(),
                )
            if status == HTTPStatus.ACCEPTED:
                return _decode(answer)
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise NotTaken(f"{self._url} answered {status}: {_detail(answer)}")
            if time.monotonic() + pause_s > deadline:
                raise Unavailable(
                    f"{self._url} takes no deliveries: {_detail(answer)}", hint="is `fencepost up` running?"
                )
            time.sleep(pause_s)

    def _post(self, delivery: Delivery) -> tuple[int, float, bytes]:
        """Status, seconds to wait before another try, body."""
        now = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(delivery.id, now, delivery.body.decode()),
        }
        self._connection.request("POST", self._path, delivery.body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        return response.status, float(response.headers.get("Retry-After") or PAUSE_S), answer


def _signer(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as error:
        raise BadInput("the secret is not whsec_ and base64", hint="`fencepost sources rotate` makes one") from error


def _detail(answer: bytes) -> str:
    """What a problem+json says, else the beginning of whatever came."""
    try:
        return str(msgspec.json.decode(answer, type=dict[str, object])["detail"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return answer[:200].decode("utf-8", "replace")


@contextmanager
def opened_sender(url: str, bot: str, source: str, secret: str, *, patience_s: float = PATIENCE_S) -> Iterator[Sender]:
    sender = Sender(url, bot, source, secret, patience_s=patience_s)
    try:
        yield sender
    finally:
        sender.close()
