"""`fencepost bench`: what choosing labels is worth, measured on an owner's own export or on public data."""

from pathlib import Path
from typing import BinaryIO

import click


@click.group
def bench() -> None:
    """Measure on labelled data how few labels are enough. Nothing is stored, and no service need run."""


@bench.command
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help='JSON Lines, plain or gzip: {"text", "intent", "split", "entities": [{"start", "end", "type"}]}.',
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Runs to take the mean of.")
@click.option("--json", "json_file", type=click.File("wb"), help="Write the result as JSON; - is standard output.")
def entities(data: Path, seeds: int, json_file: BinaryIO | None) -> None:
    """How many chosen sentences teach the entities of as many as 2,000 random ones."""
    from workers.bench.entities import show

    show(data, seeds=seeds, json_file=json_file)
