"""`python -m workers ingest|encode|jobs|schedule`: one process each."""

import os
import signal
import socket
import sys
import threading

from service import logs
from service.context import opened, wait_for_redis
from service.errors import FencepostError
from service.settings import Settings

PROCESSES = ("ingest", "encode", "jobs", "schedule")


# Several processes share the cores: arithmetic on more than one thread each collapses beside busy neighbours. The
# encode process sets torch's own threads. Has to be said before numpy is loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PROCESSES:
        print(f"usage: python -m workers {'|'.join(PROCESSES)}", file=sys.stderr)
        return 2
    try:
        settings = Settings.from_env(os.environ)
        logs.configure(settings.log_level, arguments[0])
        _start(arguments[0], settings)
    except FencepostError as error:
        print(f"{error}{f' ({error.hint})' if error.hint else ''}", file=sys.stderr)
        return 1
    return 0


def _start(name: str, settings: Settings) -> None:
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    with opened(settings) as context:
        wait_for_redis(context)
        match name:
            case "ingest":
                from service.encoding import EncodeClient
                from workers import ingest

                # The same name after a restart: what this host's last ingest had in hand is taken up at once.
                ingest.run(context, EncodeClient(settings, context.redis), stop, socket.gethostname())
            case "encode":
                from workers import encode

                encode.run(context, stop)
            case "jobs":
                from workers import jobs

                jobs.run(context, stop)
            case _:
                from workers import schedule

                schedule.run(context, stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
