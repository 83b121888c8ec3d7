"""`fencepost rasa-broker`."""

from importlib import resources

import click


@click.command("rasa-broker")
def rasa_broker() -> None:
    """Print the module that a Rasa owner adds, to post its events here."""
    click.echo(resources.files("integrations.webhooks").joinpath("rasa_broker.py").read_text("utf-8"), nl=False)


COMMANDS: tuple[click.Command, ...] = (rasa_broker,)
