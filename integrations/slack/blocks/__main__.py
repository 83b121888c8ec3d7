"""`python -m integrations.slack.blocks --samples DIR`: every surface as JSON, to be pasted into Block Kit Builder."""

from pathlib import Path

import click

from integrations.slack.blocks import samples


@click.command()
@click.option("--samples", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR")
def main(folder: Path) -> None:
    """Write one file per surface."""
    for path in samples.write(folder):
        click.echo(path)


if __name__ == "__main__":
    main()
