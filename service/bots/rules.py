"""What setting up and changing a bot takes besides its row."""

from datetime import datetime
from typing import Any

from service import jobs
from service.access import audit
from service.bots import patterns
from service.bots.schemas import Bot
from service.bots.store import NATIVE, add_secret, checked, create_bot, get_bot, update_bot
from service.context import Context
from service.database import writing
from service.jobs import Job
from service.streams import redis_errors


def open_bot(context: Context, name: str, now: datetime, *, who: str = audit.SYSTEM, **options: Any) -> tuple[Bot, str]:
    """A bot ready to take logs, and the secret of its source `native`, shown here and never again."""
    _check(options)
    with writing(context.engine) as connection:
        bot = create_bot(connection, name, now, who=who, **options)
        return bot, add_secret(connection, context.keyring, name, NATIVE, now, who=who)


def change_bot(context: Context, name: str, now: datetime, *, who: str = audit.SYSTEM, **options: Any) -> Bot:
    """Set options; a changed encoder asks for the vectors to be made anew, another uncertainty for the turns to be
    assessed by it."""
    _check(options)
    with writing(context.engine) as connection:
        before = get_bot(connection, name)
        bot = update_bot(connection, name, now, who=who, **options)
    if bot.encoder != before.encoder:
        with redis_errors():
            jobs.enqueue(context.queue, Job.REEMBED, name)
    if bot.uncertainty != before.uncertainty:
        with redis_errors():
            jobs.enqueue(context.queue, Job.RESCORE, name)
    return bot


def _check(options: dict[str, Any]) -> None:
    """Try the patterns out, before a transaction is open: a bad one takes its time."""
    for index, pattern in enumerate(checked(options).patterns or ()):
        patterns.check(pattern, f"patterns[{index}].regex")
