"""What a bot's channel should be told, looked for in SQL and written as notices.

Nothing tells this module that something happened: a promotion, a held challenger, advice and cards that wait are all
to be seen in SQL, by whichever process looks next."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import sqlalchemy as sa

from integrations.slack import digest, notices, people
from integrations.slack.blocks.alerts import Calm, Drifted
from integrations.slack.blocks.notices import Disabled, Held, Promoted, Stop, Trial, Undecided
from integrations.slack.notices import Due
from service import database
from service.bots.hours import MORNING, at_time, is_quiet, local_date
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers import gates, operations
from service.classifiers.advice import ENOUGH, advise, audited_of
from service.classifiers.history import in_force
from service.classifiers.rules import difference
from service.classifiers.schemas import Gate
from service.events.endpoints import TROUBLES, list_endpoints
from service.reviews import store
from service.windows import alerts, words
from service.windows.schemas import Alert

RECENT = timedelta(days=7)  # what happened before is no news
RESCORED = timedelta(hours=1)  # a new champion that has not decided the audit slice by then is told without
QUOTED_DRIFTED = 5  # turns
QUOTED_WON, QUOTED_LOST = 3, 2  # turns; that it lost some belongs to the truth

Source = Callable[[sa.Connection, Bot, datetime], Iterator[Due]]


def look(engine: sa.Engine, name: str, now: datetime) -> None:
    """Write what is to be told and is not written yet; nothing where it could not be posted now."""
    with database.reading(engine) as connection:
        bot = get_bot(connection, name)
        if not bot.slack_channel or bot.archived_at or is_quiet(bot, now):
            return
        found = [due for source in SOURCES for due in source(connection, bot, now)]
    for due in found:
        with database.writing(engine) as connection:
            notices.write(connection, name, due, now)


def _promoted(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    if bot.champion is None or notices.is_known(connection, bot.name, key := f"promoted:{bot.champion}"):
        return
    found = operations.version(connection, bot.name, bot.champion)
    since, replaced, by_hand = in_force(connection, bot.name, found)
    if now - since > RECENT:
        return
    audited = audited_of(connection, bot)
    if audited.unseen and now - since < RESCORED:
        return
    trial = _trial(found.trial.gate) if found.trial else None
    news = Promoted(
        n=bot.champion,
        replaced=replaced,
        labels=found.manifest.labels,
        trial=trial,
        by_hand=by_hand,
        answered=audited.answered,
        accuracy=audited.accuracy if audited.answered >= ENOUGH else None,
    )
    yield Due(key, news, _quotes(connection, bot, bot.champion) if trial else ())


def _trial(gate: Gate) -> Trial | None:
    """None where nobody was asked."""
    if not gate.wins + gate.losses + gate.neither:
        return None
    return Trial(gate.wins, gate.losses, gate.neither, difference(gate))


def _held(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """Of the newest challenger, if people were asked about it and what it was compared with is in force."""
    gate = max(gates.gates(connection, bot.name).values(), key=lambda gate: gate.challenger, default=None)
    if gate is None or not _is_news(gate, bot, now):
        return
    if notices.is_known(connection, bot.name, key := f"held:{gate.challenger}"):
        return
    found = operations.version(connection, bot.name, gate.challenger)
    if found.status == "held":
        news = Held(gate.challenger, gate.champion, found.manifest.labels, gate.reason, difference(gate))
        yield Due(key, news, _quotes(connection, bot, gate.challenger))


def _is_news(gate: Gate, bot: Bot, now: datetime) -> bool:
    is_answered = bool(gate.wins + gate.losses + gate.neither)
    is_recent = gate.decided_at is not None and now - gate.decided_at <= RECENT
    return gate.status == "held" and gate.champion == bot.champion and is_answered and is_recent


def _quotes(connection: sa.Connection, bot: Bot, challenger: int) -> list[int]:
    won, lost = gates.won_and_lost(connection, bot.name, challenger)
    texts = notices.quotable(connection, won + lost)
    kept = ([turn for turn in turns if turn in texts] for turns in (won, lost))
    return [turn for turns, most in zip(kept, (QUOTED_WON, QUOTED_LOST), strict=True) for turn in turns[:most]]


def _stop(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """Once a champion."""
    if not notices.is_known(connection, bot.name, key := f"stop:{bot.champion}"):
        found = advise(connection, bot.name, now)
        if found.verdict == "stop":
            yield Due(key, Stop(found.reason))


def _undecided(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """Once a day, in the morning."""
    today = local_date(bot, now)
    if now < at_time(bot, today, MORNING) or notices.is_known(connection, bot.name, key := f"undecided:{today}"):
        return
    if cards := store.count_undecided(connection, bot.name):
        yield Due(key, Undecided(cards, people.has_adjudicator(connection, bot.name)))


def _disabled(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """A kind for each endpoint: of two that nobody has seen yet, both are news."""
    for one in list_endpoints(connection, bot.name):
        if one.disabled_at is None or one.disabled_because not in TROUBLES or now - one.disabled_at > RECENT:
            continue
        if not notices.is_known(connection, bot.name, key := f"endpoint {one.id}:{one.disabled_at:%Y-%m-%dT%H:%M:%S}"):
            yield Due(key, Disabled(one.id, urlsplit(one.url).hostname or "", TROUBLES[one.disabled_because]))


def _alert(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """That the newest alert opened, and when that was told, that it closed."""
    for alert in alerts.list_alerts(connection, bot.name, None, None, 1).items:
        opened, closed = (notices.is_known(connection, bot.name, f"{kind}:{alert.id}") for kind in ("alert", "calm"))
        if alert.closed_at is None and not opened and now - alert.opened_at <= RECENT:
            yield _drifted(connection, alert)
        if alert.closed_at is not None and opened and not closed and now - alert.closed_at <= RECENT:
            yield Due(f"calm:{alert.id}", Calm(alert.id, alert.since, alerts.QUIET))


def _drifted(connection: sa.Connection, alert: Alert) -> Due:
    texts = notices.quotable(connection, [turn.id for turn in alert.turns])
    quoted = [turn.id for turn in alert.turns if turn.id in texts][:QUOTED_DRIFTED]
    proposal = alert.proposals[0] if alert.proposals else None
    return Due(f"alert:{alert.id}", Drifted(alert.id, alert.since, words.moved(alert), proposal), quoted)


SOURCES: tuple[Source, ...] = (_promoted, _held, _stop, _undecided, _disabled, _alert, digest.due)
