"""How a person's click reaches the app, and how long its ack takes."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx

from tests.support.slack import Json, Slack, signed

ACK_S = 3.0  # then Slack shows the person an error
PATH = "/slack/events"


class Sending(NamedTuple):
    """One request; `retry` is the number in X-Slack-Retry-Num, which only a request over HTTP has."""

    payload: Json
    over_http: bool
    retry: int = 0


class Wire:
    """Counts what it sends. Safe to share between threads."""

    def __init__(self, slack: Slack, url: str) -> None:
        self.requests = 0
        self.repeats = 0
        self.unacked = 0
        self._slack, self._url = slack, url
        self._client = httpx.Client(timeout=ACK_S)
        self._http_waits_s: list[float] = []
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(12)

    @property
    def waits_s(self) -> list[float]:
        """From sending each request to receiving its ack; one that had none in time counts with the time it had."""
        return [*self._http_waits_s, *self._slack.ack_waits_s, *[ACK_S] * self.unacked]

    def send(self, sending: Sending) -> bool:
        """Whether it was acked in time."""
        with self._lock:
            self.requests += 1
            self.repeats += bool(sending.retry)
        try:
            is_acked = self._post(sending) if sending.over_http else self._push(sending.payload)
        except (OSError, httpx.TransportError):
            is_acked = False
        with self._lock:
            self.unacked += not is_acked
        return is_acked

    def together(self, sendings: Sequence[Sending]) -> list[bool]:
        """All at once; those after the first are repeats."""
        with self._lock:
            self.repeats += len(sendings) - 1
        return list(self._pool.map(self.send, sendings))

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()

    def _push(self, payload: Json) -> bool:
        self._slack.send(payload, timeout=ACK_S)
        return True

    def _post(self, sending: Sending) -> bool:
        body, headers = signed(sending.payload, retry=sending.retry)
        begun = time.perf_counter()
        answer = self._client.post(self._url + PATH, content=body, headers=headers)
        self._http_waits_s.append(time.perf_counter() - begun)
        return answer.status_code == 200
