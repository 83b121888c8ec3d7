"""Fencepost's HTTP API as a reviewer's program uses it: over one kept connection, with a key."""

import http.client
from http import HTTPStatus
from urllib.parse import urlsplit

import msgspec

from service.errors import Conflict, Unavailable
from service.page import Page
from service.reviews.schemas import CardView, Vote, VoteResult

TIMEOUT_S = 30.0


class Client:
    """Not to be shared between threads."""

    def __init__(self, url: str, bot: str, key: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._path, self._key = f"/v1/bots/{bot}", key

    def next_cards(self, count: int) -> list[CardView]:
        body = self._ask("GET", f"/cards/next?count={count}", b"")
        return list(msgspec.json.decode(body, type=Page[CardView]).items)

    def vote(self, card: str, vote: Vote) -> VoteResult:
        """Conflict when the card was answered, or its gate ended, meanwhile."""
        return msgspec.json.decode(
            self._ask("POST", f"/cards/{card}/votes", msgspec.json.encode(vote)), type=VoteResult
        )

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        self._connection.request(method, self._path + path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status == HTTPStatus.CONFLICT:
            raise Conflict(answer.decode())
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise Unavailable(f"{method} {path} answered {response.status}: {answer[:200]!r}")
        return answer
