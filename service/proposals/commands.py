"""`fencepost proposals …`."""

import click

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.bots.store import get_bot
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.printing import as_json, table
from service.proposals import rules, store
from service.proposals.schemas import Acceptance, Proposal
from service.settings import Settings

SHOWN = 200


@click.group("proposals")
def proposals_group() -> None:
    """Intents that a bot may lack: clusters of turns far from every label."""


@proposals_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_proposals(settings: Settings, bot: str, is_json: bool) -> None:
    """Those that wait for a decision, newest first."""
    with opened(settings) as context, reading(context.engine) as connection:
        get_bot(connection, bot)
        found = store.list_proposals(connection, bot, "open", None, SHOWN).items
    if is_json:
        as_json(found)
        return
    table(("id", "turns", "phrases", "a typical turn"), [_row(proposal) for proposal in found])


def _row(proposal: Proposal) -> tuple[object, ...]:
    text = proposal.typical[0].text if proposal.typical else ""
    return proposal.id, proposal.turns, ", ".join(proposal.phrases), "(forgotten)" if text is None else text


@proposals_group.command("accept")
@click.argument("bot")
@click.argument("proposal", type=int)
@click.option("--name", required=True, help="Of the new intent.")
@click.option("--description", default="", help="What its users want, in a sentence.")
@click.pass_obj
def accept_proposal(settings: Settings, bot: str, proposal: int, name: str, description: str) -> None:
    """Create the intent, and ask reviewers about its typical turns first. Nothing is labelled by this."""
    wanted = Acceptance(name=name, description=description)
    with opened(settings) as context, writing(context.engine) as connection:
        accepted = rules.accept(connection, context.keyring, bot, proposal, wanted, now(), who=at_terminal())
    click.echo(f"{name} is an intent of {bot} now; {len(accepted.queued)} of its typical turns wait for reviewers.")


@proposals_group.command("dismiss")
@click.argument("bot")
@click.argument("proposal", type=int)
@click.pass_obj
def dismiss_proposal(settings: Settings, bot: str, proposal: int) -> None:
    """It does not come back while it is mostly the same turns."""
    with opened(settings) as context, writing(context.engine) as connection:
        rules.dismiss(connection, bot, proposal, now(), who=at_terminal())
    click.echo(f"proposal {proposal} of {bot} is dismissed")


COMMANDS = (proposals_group,)
