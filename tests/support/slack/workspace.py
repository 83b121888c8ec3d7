"""The workspace: what Slack holds, and the rules that do not belong to one method."""

import itertools
import math
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.slack.checks import Json
from tests.support.slack.limits import LIMITS, POST_PACE_S, TIER_OF, TIERS

BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-test", "xapp-test", "8f742231b10e8888abcd99yyyzzz85a5"
CHANNEL, TEAM, BOT_USER, APP, BOT_ID = "C0SUPPORT", "T0TEAM", "U0BOT", "A0APP", "B0BOT"
PEOPLE = {"U1": "ana", "U2": "ben", "U3": "cleo"}
MINUTE_S = 60.0
TOLERANCE_S = 0.001  # a client that waited a second waited a second

# rate_limited, error: refused; *_after: done, but the answer is lost (500, a closed connection, none at all);
# lag: history does not know it yet; html, html_latin: not done, a proxy's page says so; any other word: Slack's
# `ok: false` with that error; "": none
Fault = str


class Refused(Exception):
    """Slack's `ok: false`."""

    def __init__(self, error: str, *details: str, retry_after_s: int = 0) -> None:
        super().__init__(error, *details)
        self.error, self.details, self.retry_after_s = error, details, retry_after_s


class Trigger(NamedTuple):
    """What a click lets an app do once, for three seconds: open a view for this user, or push one onto theirs."""

    user: str
    at: float
    view_id: str


class ResponseUrl(NamedTuple):
    user: str
    channel: str
    ts: str
    at: float


class Workspace:
    """State; every method that calls Slack takes `lock` around it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.url = ""
        self.lock = threading.RLock()
        self.channels: dict[str, Json] = {CHANNEL: channel(CHANNEL, "support")}
        self.messages: dict[str, list[Json]] = {CHANNEL: []}
        self.ephemerals: list[Json] = []
        self.users: dict[str, str] = dict(PEOPLE)
        self.groups: dict[str, list[str]] = {}
        self.views: dict[str, Json] = {}
        self.stacks: dict[str, list[str]] = defaultdict(list)  # ids of a user's open views, the lowest first
        self.homes: dict[str, Json] = {}
        self.files: dict[str, Json] = {}
        self.calls: list[str] = []
        self.scopes: set[str] = set()
        self.token_error = ""
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.injected: Counter[str] = Counter()
        self.done: Counter[str] = Counter()  # calls that had their effect, by method
        self.limited: Counter[str] = Counter()  # requests refused for being too many, by method
        self.triggers: dict[str, Trigger] = {}
        self.response_urls: dict[str, ResponseUrl] = {}
        self.uses: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._accepted: dict[str, deque[float]] = defaultdict(deque)
        self._posted: dict[str, float] = {}

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of the method fail in these ways."""
        self.faults[method].extend(faults)

    def next_fault(self, method: str) -> Fault:
        with self.lock:
            fault = self.faults[method].popleft() if self.faults[method] else ""
            self.injected[fault] += bool(fault)
            return fault

    def number(self) -> int:
        """A new one each time."""
        return next(self._numbers)

    def stamp(self) -> str:
        """A ts of its own: two messages at one instant differ in the last digits."""
        return f"{math.floor(self.clock() * 1000) / 1000 + self.number() % 1000 / 1e6:.6f}"

    def keep_pace(self, method: str, channel_id: str | None) -> None:
        """Refuse what is too much for the method's tier, or the channel's second post in a second."""
        now, made = self.clock(), self._accepted[method]
        while made and made[0] <= now - MINUTE_S:
            made.popleft()
        if method in TIER_OF and len(made) >= TIERS[TIER_OF[method]].most:
            self._too_many(method, made[0] + MINUTE_S - now)
        if method == "chat.postMessage" and channel_id in self._posted:
            wait = self._posted[channel_id] + POST_PACE_S.most - now
            if wait > TOLERANCE_S:
                self._too_many(method, wait)

    def accepted(self, method: str, channel_id: str | None) -> None:
        self.done[method] += 1
        self._accepted[method].append(self.clock())
        if method == "chat.postMessage" and channel_id:
            self._posted[channel_id] = self.clock()

    def _too_many(self, method: str, wait: float) -> None:
        self.limited[method] += 1
        raise Refused("ratelimited", retry_after_s=max(1, math.ceil(wait)))

    def trigger(self, user: str, view_id: str = "") -> str:
        """A trigger_id, as every interaction carries one."""
        trigger_id = f"{self.number()}.{TEAM}.{self.number():032x}"
        self.triggers[trigger_id] = Trigger(user, self.clock(), view_id)
        return trigger_id

    def exchange(self, trigger_id: str) -> Trigger:
        """Each once, and only while it lives."""
        if trigger_id not in self.triggers:
            raise Refused("invalid_trigger_id")
        if self.uses[trigger_id]:
            raise Refused("exchanged_trigger_id")
        trigger = self.triggers[trigger_id]
        if self.clock() - trigger.at > LIMITS["seconds a trigger lives"].most:
            raise Refused("expired_trigger_id")
        self.uses[trigger_id] += 1
        return trigger

    def response_url(self, user: str, channel_id: str, ts: str = "") -> str:
        key = f"{self.number():032x}"
        self.response_urls[key] = ResponseUrl(user, channel_id, ts, self.clock())
        return f"{self.url}/response/{key}"

    def add_channel(self, channel_id: str, name: str, *, is_member: bool = True) -> None:
        self.channels[channel_id] = channel(channel_id, name, is_member=is_member)
        self.messages[channel_id] = []


def channel(channel_id: str, name: str, *, is_member: bool = True) -> Json:
    shown: dict[str, Any] = {"id": channel_id, "name": name, "is_channel": True, "is_private": False}
    return shown | {"is_archived": False, "is_member": is_member}
