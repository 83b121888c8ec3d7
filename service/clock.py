"""The one place that reads the clock; everything inside takes `now` as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC)
