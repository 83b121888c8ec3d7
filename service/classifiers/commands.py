"""`fencepost classifiers …`."""

from collections.abc import Iterator

import click

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.classifiers import operations
from service.classifiers.advice import Advice, advise
from service.classifiers.metrics import MEANING, Share, metrics
from service.classifiers.operations import Word
from service.classifiers.schemas import Version
from service.clock import now
from service.context import opened
from service.database import reading
from service.learning.stopping import Estimate
from service.printing import as_json, table
from service.settings import Settings

REASON = click.option("--reason", required=True, help="Why; it stays in the bot's history.")


@click.group("classifiers")
def classifiers_group() -> None:
    """A bot's classifiers: list, show, metrics, promote, hold, rollback."""


@classifiers_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_classifiers(settings: Settings, bot: str, is_json: bool) -> None:
    """Every version, newest first."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = operations.versions(connection, bot)
    if is_json:
        as_json(found)
        return
    table(("n", "status", "phase", "labels", "trained", "gate"), [_row(version) for version in found])


def _row(version: Version) -> tuple[object, ...]:
    gate = version.trial.gate.reason or version.trial.gate.status if version.trial else ""
    made, manifest = f"{version.created_at:%Y-%m-%d %H:%M}", version.manifest
    return version.n, version.status, manifest.phase, manifest.labels, made, gate


@classifiers_group.command("show")
@click.argument("bot")
@click.argument("n", type=int)
@click.pass_obj
def show_classifier(settings: Settings, bot: str, n: int) -> None:
    """What a classifier was trained on, as JSON."""
    with opened(settings) as context, reading(context.engine) as connection:
        as_json(operations.version(connection, bot, n))


@classifiers_group.command("metrics")
@click.argument("bot")
@click.argument("n", type=int)
@JSON
@click.pass_obj
def show_metrics(settings: Settings, bot: str, n: int, is_json: bool) -> None:
    """How good a classifier is, in all and by intent, and what each number is of."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = metrics(connection, bot, n)
    if is_json:
        as_json(found)
        return
    click.echo(f"Right on the audit slice: {_percent(found.accuracy)}, told by {found.answered:,} turns.")
    rows = [(one.name, *_of(one.recall), *_of(one.precision)) for one in found.intents]
    table(("intent", "recall", "of", "precision", "of"), rows)
    click.echo("\n".join(MEANING))


def _of(found: Share | None) -> tuple[str, str]:
    return ("", "") if found is None else (_percent(found.share), found.of)


def _percent(found: Estimate | None) -> str:
    return "not known" if found is None else "{:.1%} ({:.1%} to {:.1%})".format(*found)


@classifiers_group.command("rollback")
@click.argument("bot")
@click.argument("n", type=int)
@REASON
@click.pass_obj
def roll_back(settings: Settings, bot: str, n: int, reason: str) -> None:
    """Put a classifier that was in force before back in force, at once."""
    with opened(settings) as context:
        operations.roll_back(context, bot, n, now(), Word(at_terminal(), reason))
    click.echo(f"classifier {n} of {bot} is in force")


@classifiers_group.command("promote")
@click.argument("bot")
@click.argument("n", type=int)
@REASON
@click.pass_obj
def promote(settings: Settings, bot: str, n: int, reason: str) -> None:
    """Put a challenger in force that its gate held, at once."""
    with opened(settings) as context:
        operations.promote(context, bot, n, now(), Word(at_terminal(), reason))
    click.echo(f"classifier {n} of {bot} is in force")


@classifiers_group.command("hold")
@click.argument("bot")
@click.argument("n", type=int)
@REASON
@click.pass_obj
def hold(settings: Settings, bot: str, n: int, reason: str) -> None:
    """End a challenger's trial, as one that it lost."""
    with opened(settings) as context:
        operations.hold(context, bot, n, now(), Word(at_terminal(), reason))
    click.echo(f"classifier {n} of {bot} is held")


@click.command
@click.option("--bot", required=True)
@click.pass_obj
def adapt(settings: Settings, bot: str) -> None:
    """Tune a bot's encoder on its labels. Takes minutes; the result is tried like any challenger."""
    with opened(settings) as context:
        asked = operations.ask_to_adapt(context, bot, now(), who=at_terminal())
    click.echo(
        f"{'Asked' if asked.is_new else 'Asked already'}: to tune the encoder of {bot} on {asked.labels} labels."
    )
    click.echo(
        "That takes minutes, in which the process `jobs` does nothing else for any bot. The result is a challenger,\n"
        "which reviewers compare blind with the classifier in force; nothing changes for the bot unless it wins.\n"
        f"`fencepost classifiers list {bot}` shows how it stands."
    )


@click.command
@click.argument("bot")
@JSON
@click.pass_obj
def advice(settings: Settings, bot: str, is_json: bool) -> None:
    """Whether labelling still pays, and what that rests on."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = advise(connection, bot, now())
    if is_json:
        as_json(found)
        return
    click.echo(f"{WORDS[found.verdict]}: {found.reason}.")
    table(("what it rests on", ""), list(_rests_on(found)))


WORDS = {"stop": "Labelling may stop", "go_on": "Go on labelling", "too_early": "Too early to say"}


def _rests_on(found: Advice) -> Iterator[tuple[str, str]]:
    yield "answers drawn at random", str(found.answered)
    if found.kappa is not None:
        yield "agreement of the last two classifiers (κ)", f"{found.kappa:.3f}"
    if found.gain is not None:
        yield "gain of a hundred labels", "{:+.2%} ({:+.2%} to {:+.2%})".format(*found.gain)
    if found.minutes_a_label is not None:
        yield "minutes a label", f"{found.minutes_a_label:.2f}"
    if found.payback_weeks is not None:
        yield "a hundred labels pay back in", f"{found.payback_weeks:.1f} weeks"
    yield "votes of the last seven days", f"{found.votes} of {found.weekly_budget}"


COMMANDS = (classifiers_group, adapt, advice)
