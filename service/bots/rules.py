"""What setting up and changing a bot takes besides its row."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from service import jobs
from service.access import audit
from service.bots.schemas import Bot
from service.bots.store import NATIVE, add_secret, create_bot, get_bot, update_bot
from service.context import Context
from service.database import writing
from service.jobs import Job
from service.keyring import Keyring
from service.streams import redis_errors


def open_bot(
    connection: sa.Connection, keyring: Keyring, name: str, now: datetime, *, who: str = audit.SYSTEM, **options: Any
) -> tuple[Bot, str]:
    """A bot ready to take logs, and the secret of its source `native`, shown here and never again."""
    bot = create_bot(connection, name, now, who=who, **options)
    return bot, add_secret(connection, keyring, name, NATIVE, now, who=who)


def change_bot(context: Context, name: str, now: datetime, *, who: str, **options: Any) -> Bot:
    """Set options; a changed encoder asks for the vectors to be made anew."""
    with writing(context.engine) as connection:
        before = get_bot(connection, name)
        bot = update_bot(connection, name, now, who=who, **options)
    if bot.encoder != before.encoder:
        with redis_errors():
            jobs.enqueue(context.queue, Job.REEMBED, name)
    return bot
