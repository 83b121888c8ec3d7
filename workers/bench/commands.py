"""`fencepost bench`: what choosing labels is worth, measured on an owner's own export or on public data."""

from pathlib import Path
from typing import BinaryIO, Literal

import click


@click.group
def bench() -> None:
    """Measure on labelled data how few labels are enough. Nothing is stored, and no service need run."""


@bench.command
@click.option("--data", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--head", type=click.Choice(["plain", "full"]), default="plain", show_default=True)
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--json", "json_file", type=click.File("wb"), help="Write the result as JSON; - is standard output.")
def reports(data: Path, head: Literal["plain", "full"], seeds: int, json_file: BinaryIO | None) -> None:
    """Errors of a bot that 100 labels mend, with people's reports and without, and what a liar costs."""
    from workers.bench import reports as measured

    measured.bench(data, kind=head, seeds=seeds, json_file=json_file)
