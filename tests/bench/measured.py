"""Timing the product beside bare arithmetic on a machine that may be busy: they take turns, and medians are compared.

The product runs in a fresh process each time, so that its peak memory is its own: interpreter and libraries included,
the making of the data not.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple


class Times(NamedTuple):
    """Medians, and the largest peak."""

    seconds: float
    bare_seconds: float
    peak_rss_mib: float

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 3),
            "bare_seconds": round(self.bare_seconds, 3),
            "ratio": round(self.seconds / self.bare_seconds, 3),
            "peak_rss_mib": round(self.peak_rss_mib, 1),
        }


class _Run(NamedTuple):
    seconds: float
    peak_rss_mib: float


def beside(product: Callable[[Path], object], data: Path, bare: Callable[[], object], repetitions: int) -> Times:
    """`product` is a module's function: it reads its data in the child, and returns what is to be timed."""
    runs = [(_in_child(product, data), seconds_of(bare)) for _ in range(repetitions)]
    ours, theirs = zip(*runs, strict=True)
    return Times(
        statistics.median(run.seconds for run in ours),
        statistics.median(theirs),
        max(run.peak_rss_mib for run in ours),
    )


def seconds_of(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _in_child(product: Callable[[Path], object], data: Path) -> _Run:
    # An error that cannot be sent back breaks this pool; multiprocessing's own would wait for it for ever.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, product, data).result()


def _measure(product: Callable[[Path], Any], data: Path) -> _Run:
    seconds = seconds_of(product(data))
    # Not getrusage: a child's maximum there begins with its parent's.
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return _Run(seconds, int(peak.split()[1]) / 1024)
