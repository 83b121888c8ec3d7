"""`python -m tests.bench rank|train|gate|slack|adapters|predict|drift|console`: what ranking and retraining take beside
their bare arithmetic, what the promotion gate lets through, what becomes of answers when Slack fails, of deliveries
that come repeatedly, how long a prediction takes beside bare encoding, how soon drift is seen, and how fast pages are.
They print what they measured and never assert it."""

from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from service import logs

json_option = click.option(
    "--json", "json_file", type=click.File("wb"), default="-", help="Where the result goes. [default: standard output]"
)
data_option = click.option(
    "--data",
    envvar="FENCEPOST_DATA",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the public data. [env: FENCEPOST_DATA]",
)


def _write(file: BinaryIO, result: dict[str, Any]) -> None:
    file.write(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


@click.group
def bench() -> None:
    """Measure this project itself."""
    logs.of_command()


@bench.command
@click.option("--runs", default=10_000, show_default=True, type=click.IntRange(min=1))
@json_option
def gate(runs: int, json_file: BinaryIO) -> None:
    """How often the promotion gate promotes challengers that are truly better or worse by so many points."""
    from tests.bench.gate import measure

    _write(json_file, measure(runs))


@bench.command
@click.option("--repetitions", default=3, show_default=True, type=click.IntRange(min=1))
@json_option
def train(repetitions: int, json_file: BinaryIO) -> None:
    """Routine retraining on 15,000 labels beside scikit-learn's regression on the same rows."""
    from tests.bench.train import measure

    _write(json_file, measure(repetitions))


@bench.command
@click.option("--candidates", default=1_000_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--repetitions", default=3, show_default=True, type=click.IntRange(min=1))
@json_option
def rank(candidates: int, repetitions: int, json_file: BinaryIO) -> None:
    """A ranking over a million candidates beside the bare arithmetic of their margins."""
    from tests.bench.rank import measure

    _write(json_file, measure(candidates, repetitions))


@bench.command
@click.option("--answers", default=1_000, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keeps the database and the logs. [default: a temporary folder]",
)
@json_option
def slack(answers: int, folder: Path | None, json_file: BinaryIO) -> None:
    """Three people answer cards in a Slack that fails, while turns come in: what was lost, doubled, and how fast."""
    from tests.bench.slack import measure

    _write(json_file, measure(answers, folder))


@bench.command
@json_option
def adapters(json_file: BinaryIO) -> None:
    """Golden deliveries of every platform, posted repeatedly over HTTP: how often each fact landed."""
    from tests.bench.adapters import measure

    _write(json_file, measure())


@bench.command
@click.option("--texts", default=600, show_default=True, type=click.IntRange(min=20, max=1_200))
@json_option
def predict(texts: int, json_file: BinaryIO) -> None:
    """Predictions over HTTP, one text at a time, beside bare encoding of the same texts."""
    from tests.bench.predict import measure, said

    found = measure(texts)
    _write(json_file, found)
    click.echo(said(found), err=True)


@bench.command
@data_option
@click.option("--windows", default=1_000, show_default=True, type=click.IntRange(min=1), help="Quiet ones, at least.")
@click.option("--runs", default=100, show_default=True, type=click.IntRange(min=1), help="A share, at least.")
@json_option
def drift(data: Path, windows: int, runs: int, json_file: BinaryIO) -> None:
    """How soon a domain that CLINC150's bot lacks is seen at 5, 10 and 20 % of the traffic, and how often none is."""
    from tests.bench.drift import measured

    _write(json_file, measured(data, windows, runs))


@bench.command
@click.option("--turns", default=1_000_000, show_default=True, type=click.IntRange(min=20_000))
@click.option("--rounds", default=100, show_default=True, type=click.IntRange(min=1), help="Views of each page.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keeps the database, and uses the one it holds. [default: a temporary folder]",
)
@click.option("--database-url", default="", help="Of an empty Postgres, or one filled before. [default: SQLite]")
@json_option
def console(turns: int, rounds: int, folder: Path | None, database_url: str, json_file: BinaryIO) -> None:
    """The console's pages over HTTP, of a bot with a million turns."""
    from tests.bench.console import measure, said

    found = measure(turns, rounds, folder, database_url)
    _write(json_file, found)
    click.echo(said(found), err=True)


@bench.command
@data_option
@click.option("--folder", default="bench", show_default=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1))
def table(data: Path, folder: Path, seeds: int) -> None:
    """Every figure of the learning core beside its bar; each call's JSON stays in the folder."""
    from tests.bench.table import run

    run(data, folder, seeds)


if __name__ == "__main__":
    bench()
