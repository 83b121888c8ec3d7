"""Posts Rasa's user and bot events to Fencepost. Save it as fencepost_broker.py where Rasa runs; endpoints.yml gets

    event_broker:
      type: fencepost_broker.FencepostBroker
      url: https://fencepost.example/webhooks/shop/rasa
      secret: whsec_...

A thread posts them in batches, again and again until they are taken: no conversation waits for it. What waits is lost
when Rasa dies, and what comes while 10,000 events wait.
"""

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import time
import urllib.request
import uuid
from typing import Any

from rasa.core.brokers.broker import EventBroker


class FencepostBroker(EventBroker):
    def __init__(self, url: str, secret: str) -> None:
        self._url, self._key = url, base64.b64decode(secret.replace("whsec_", ""))
        self._events: Any = queue.Queue(10_000)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @classmethod
    async def from_endpoint_config(cls, broker_config: Any, event_loop: Any = None) -> "FencepostBroker":
        return cls(broker_config.url, broker_config.kwargs["secret"])

    def publish(self, event: Any) -> None:
        if event.get("event") in ("user", "bot"):
            try:
                self._events.put_nowait(event)
            except queue.Full:
                logging.getLogger(__name__).error("an event was dropped: 10,000 wait to be posted")

    async def close(self) -> None:
        self._is_closing = True
        await asyncio.get_event_loop().run_in_executor(None, self._thread.join, 10)

    def _run(self) -> None:
        while not (self._is_closing and self._events.empty()):
            try:
                batch = [self._events.get(timeout=1)]
            except queue.Empty:
                continue
            while len(batch) < 100 and not self._events.empty():
                batch.append(self._events.get())
            self._send(json.dumps(batch, default=str).encode())

    def _send(self, body: bytes) -> None:
        own_id, pause = str(uuid.uuid4()), 1
        while not self._is_taken(own_id, body):
            time.sleep(pause)
            pause = min(2 * pause, 60)

    def _is_taken(self, own_id: str, body: bytes) -> bool:
        at = str(int(time.time()))
        digest = hmac.new(self._key, "{}.{}.".format(own_id, at).encode() + body, hashlib.sha256).digest()
        signature = "v1," + base64.b64encode(digest).decode()
        headers = {"webhook-id": own_id, "webhook-timestamp": at, "webhook-signature": signature}
        request = urllib.request.Request(self._url, body, {"content-type": "application/json", **headers})
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except (OSError, http.client.HTTPException) as error:
            is_refused = getattr(error, "code", None) in (400, 404, 410, 413)  # again would be in vain
            what = "they are lost" if is_refused else "they are sent again"
            logging.getLogger(__name__).warning("Fencepost did not take events, %s: %s", what, error)
            return is_refused
        return True
