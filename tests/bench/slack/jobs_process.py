"""`python -m tests.bench.slack.jobs_process`: the real jobs worker on FENCEPOST_* settings, but that jobs which need an
encoder do nothing."""

import os
import threading

from service import logs
from service.context import opened, wait_for_redis
from service.settings import Settings
from workers import jobs

SKIPPED = ("rank", "train", "gate", "rescore", "reports", "reembed", "adapt", "propose")


def skip(bot: str) -> None:
    """In place of the job."""


def main() -> None:
    settings = Settings.from_env(os.environ)
    logs.configure("info", "jobs")
    for name in SKIPPED:
        setattr(jobs, name, skip)
    with opened(settings) as context:
        wait_for_redis(context)
        jobs.run(context, threading.Event())  # RQ's worker stops at SIGTERM by itself


if __name__ == "__main__":
    main()
