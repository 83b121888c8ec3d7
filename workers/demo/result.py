"""What a demo found, as JSON and as a table."""

import msgspec
from rich.table import Table


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Counted from what is stored. Accuracies are shares of the held-out turns; None where the log has no truth."""

    turns: int  # user turns of the log that were posted
    posted: int  # turns, replies and reports posted, each counted once
    stored: int  # rows of them
    lost: int
    duplicates: int
    marks: dict[str, int]
    cards: int
    labels: int  # turns labelled by votes
    held_out: int
    accuracy_before: float | None  # the cold classifier's
    accuracy_after: float | None  # the champion's
    accuracy_random: float | None  # of the same head on as many random labels, mean over the runs
    random_sd: float | None
    labels_random: int
    folder: str
    seconds: float


def table(result: Result, url: str | None) -> Table:
    """For a terminal; `url` is where the console still answers."""
    found = Table(title="Fencepost: one pass of the loop", show_header=False, title_justify="left")
    found.add_row("turns in", f"{result.turns:,} ({result.posted:,} facts posted, {result.stored:,} stored)")
    found.add_row("lost, duplicates", f"{result.lost}, {result.duplicates} (a tenth was posted twice)")
    found.add_row(
        "marks", ", ".join(f"{kind} {n:,}" for kind, n in sorted(result.marks.items(), key=lambda row: -row[1]))
    )
    found.add_row("cards, labels", f"{result.cards:,}, {result.labels:,}")
    if result.accuracy_before is not None and result.accuracy_after is not None:
        found.add_row(
            "accuracy before → after",
            f"{result.accuracy_before:.3f} → {result.accuracy_after:.3f} on {result.held_out:,} held-out turns",
        )
    if result.accuracy_random is not None:
        found.add_row(
            f"{result.labels_random:,} random labels", f"{result.accuracy_random:.3f} ± {result.random_sd:.3f}"
        )
    found.add_row("seconds", f"{result.seconds:.0f}")
    found.add_row("look at", url or f"{result.folder} (kept until the next demo; ARGS=--keep leaves it running)")
    return found
