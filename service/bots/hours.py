"""A bot's quiet hours and its reviewers' days, in its time zone."""

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from service.bots.schemas import Bot
from service.errors import BadInput

MORNING = 9  # the hour of a bot's day from which on its people are told what can wait
SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class Hours(NamedTuple):
    """From `start` to before `end`, over midnight when that is earlier."""

    start: time
    end: time

    def hold(self, at: time) -> bool:
        """
        >>> night = parse("20:00-07:00")
        >>> night.hold(time(23)), night.hold(time(6, 59)), night.hold(time(7))
        (True, True, False)
        """
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def parse(text: str) -> Hours:
    """BadInput unless it is HH:MM-HH:MM with an end of its own."""
    found = SPAN.fullmatch(text)
    start, end = (text[:5], text[6:]) if found else ("", "")
    if start == end:
        hint = "HH:MM-HH:MM, like 20:00-07:00"
        raise BadInput(f"{text!r} is no span of hours", path="quiet_hours", hint=hint)
    return Hours(time.fromisoformat(start), time.fromisoformat(end))


def zone(name: str) -> tzinfo:
    """BadInput unless the time zone is known."""
    if name == "UTC":  # known where no time zones are installed
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name of a folder of time zones
        hint = "a name like Europe/Paris"
        raise BadInput(f"{name!r} is no known time zone", path="timezone", hint=hint) from error


def is_quiet(bot: Bot, now: datetime) -> bool:
    """Whether nothing may be posted to the bot's channel now."""
    return bool(bot.quiet_hours) and parse(bot.quiet_hours).hold(now.astimezone(zone(bot.timezone)).time())


def local_date(bot: Bot, now: datetime) -> date:
    """Today in the bot's time zone."""
    return now.astimezone(zone(bot.timezone)).date()


def at_time(bot: Bot, day: date, hour: int = 0) -> datetime:
    """When the day's hour begins in the bot's time zone."""
    return datetime.combine(day, time(hour), zone(bot.timezone)).astimezone(UTC)


def day_start(bot: Bot, now: datetime) -> datetime:
    """The last midnight in the bot's time zone."""
    return at_time(bot, local_date(bot, now))
