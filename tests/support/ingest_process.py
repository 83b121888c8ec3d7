"""`python -m tests.support.ingest_process`: a real ingest process with the fake encoder, on FENCEPOST_* settings.

Each batch takes a while, so that a test can kill it mid-way.
"""

import os
import signal
import threading
import time
from collections.abc import Sequence

from service import logs
from service.context import opened, wait_for_redis
from service.learning.types import Floats2d
from service.settings import Settings
from tests.support.encoder import FakeEncoder
from workers import ingest


class SlowEncoder(FakeEncoder):
    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        time.sleep(0.2)
        return super().encode(bot, texts)


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings.from_env(os.environ)
    logs.configure("debug", "ingest")
    with opened(settings) as context:
        wait_for_redis(context)
        ingest.run(context, SlowEncoder(), stop, "ingest-under-test")


if __name__ == "__main__":
    main()
