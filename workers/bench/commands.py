"""`fencepost bench`: what choosing labels is worth, measured on an owner's own export or on public data."""

import click


@click.group
def bench() -> None:
    """Measure on labelled data how few labels are enough. Nothing is stored, and no service need run."""
