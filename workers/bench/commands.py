"""`fencepost bench`: what choosing labels is worth, measured on an owner's own export or on public data."""

from pathlib import Path
from typing import BinaryIO, Literal, TextIO

import click
import msgspec

DATA = click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help='JSON Lines, plain or gzip: {"text", "intent", "split": "train" or "test", "entities"?} a row.',
)
JSON = click.option(
    "--json", "json_file", type=click.File("wb"), help="Write the result as JSON; - is standard output."
)


@click.group
def bench() -> None:
    """Measure on labelled data how few labels are enough. Nothing is stored, and no service need run."""


@bench.command
@DATA
@click.option("--scenario", type=click.Choice(["pool", "production"]), default="pool", show_default=True)
@click.option("--strategies", default="default,random", show_default=True, help="Names, with commas between them.")
@click.option("--peers", is_flag=True, help="And what other libraries would ask (needs the extra `peers`).")
@click.option("--start", type=click.Choice(["names", "one-each"]), default="names", show_default=True)
@click.option("--head", type=click.Choice(["plain", "full"]), default="full", show_default=True)
@click.option("--budget", type=click.IntRange(min=1), default=1500, show_default=True, help="Labels at the end.")
@click.option("--batch", type=click.IntRange(min=1), help="Labels a round. [default: 100; in production 50]")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--encoder", default="", help="A hub id or a folder. [default: all-MiniLM-L6-v2]")
@click.option("--picks", "picks_file", type=click.File("wb"), help="Write every round's picks and predictions here.")
@click.option("--html", "html_file", type=click.File("w", encoding="utf-8"), help="Draw the curves on a page.")
@JSON
def labels(
    data: Path,
    scenario: Literal["pool", "production"],
    strategies: str,
    *,
    peers: bool,
    start: Literal["names", "one-each"],
    head: Literal["plain", "full"],
    budget: int,
    batch: int | None,
    seeds: int,
    encoder: str,
    picks_file: BinaryIO | None,
    html_file: TextIO | None,
    json_file: BinaryIO | None,
) -> None:
    """How few chosen labels do the work of many random ones."""
    from workers.bench import labels as measuring
    from workers.bench.peers import PEERS
    from workers.progress import Progress

    named = [name for name in strategies.split(",") if name]
    options = measuring.Options(
        scenario=scenario,
        strategies=[*named, *(name for name in PEERS if peers and name not in named)],
        start=start,
        head=head,
        budget=budget,
        batch=batch or (50 if scenario == "production" else 100),
        seeds=seeds,
        encoder=encoder,
    )
    progress = Progress()
    measured = measuring.measure(data, options, progress)
    found = measuring.result(measured)
    progress.console.print(measuring.table(found))
    if picks_file:
        picks_file.writelines(msgspec.json.encode(row) + b"\n" for row in measuring.picks(measured))
    if html_file:
        from workers.bench.charts import page

        html_file.write(page(found))
    if json_file:
        json_file.write(msgspec.json.encode(found) + b"\n")


@bench.command
@DATA
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs to take the mean of.")
@JSON
def entities(data: Path, seeds: int, json_file: BinaryIO | None) -> None:
    """How many chosen sentences teach the entities of as many as 2,000 random ones."""
    from workers.bench.entities import show

    show(data, seeds=seeds, json_file=json_file)


@bench.command
@DATA
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True)
@JSON
def weak(data: Path, seeds: int, json_file: BinaryIO | None) -> None:
    """What ten noisy labelling functions are worth beside 0 to 1,000 labels."""
    from workers.bench import weak as measured

    measured.bench(data, seeds=seeds, json_file=json_file)


@bench.command
@DATA
@click.option("--head", type=click.Choice(["plain", "full"]), default="plain", show_default=True)
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True)
@JSON
def reports(data: Path, head: Literal["plain", "full"], seeds: int, json_file: BinaryIO | None) -> None:
    """Errors of a bot that 100 labels mend, with people's reports and without, and what a liar costs."""
    from workers.bench import reports as measured

    measured.bench(data, kind=head, seeds=seeds, json_file=json_file)


@bench.command
@DATA
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True)
@JSON
def proposals(data: Path, seeds: int, json_file: BinaryIO | None) -> None:
    """How many of ten intents that the bot lacks are proposed from its log."""
    from workers.bench import proposals as measured

    measured.bench(data, seeds=seeds, json_file=json_file)
