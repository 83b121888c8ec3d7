"""When Slack fails, and how often."""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.slack import Fault, Slack

SEED = 4
KINDS: tuple[Fault, ...] = ("rate_limited", "error_after", "timeout", "drop_after")
# method: faults of each kind among so many of its first calls
SHARES: Mapping[str, tuple[int, int]] = {
    "chat.postMessage": (3, 40),
    "chat.update": (18, 130),
    "views.update": (8, 90),
}
RECONNECT_EVERY_S = 15.0
NAMES = {"rate_limited": "429", "error_after": "500_after_accept", "timeout": "timeout"}


def arm(slack: Slack) -> None:
    """The same calls fail in every run."""
    rng = random.Random(SEED)
    for method, (each, among) in SHARES.items():
        faults = [kind for kind in KINDS for _ in range(each)]
        faults += [""] * (among - len(faults))
        rng.shuffle(faults)
        slack.fail(method, *faults)


@contextmanager
def reconnecting(slack: Slack) -> Iterator[None]:
    """Slack closes the app's link every now and then."""
    stop = threading.Event()

    def disconnect() -> None:
        while not stop.wait(RECONNECT_EVERY_S):
            slack.disconnect()

    thread = threading.Thread(target=disconnect)
    thread.start()
    yield
    stop.set()
    thread.join()


def counted(slack: Slack) -> dict[str, int]:
    """How often each kind happened."""
    found = {name: slack.injected[kind] for kind, name in NAMES.items()}
    return found | {"disconnect": slack.injected["drop_after"] + slack.injected["disconnect"]}
