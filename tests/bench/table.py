"""The table of what the learning core is worth: each line is a command anybody can run, and its figure beside the bar.

Every call writes its JSON into a folder, named after the seeds; one that is there already is not run again, so a broken
run goes on where it stopped: empty the folder to measure anew. A line that fails is shown as such. With one seed, two
calls run at a time, and what each says of its progress is in the folder."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

Found = Mapping[str, Any]
AT_ONCE = 2  # calls of one seed: most keep a single core busy
TIMED = ("rank", "train")  # alone, and last


class Figure(NamedTuple):
    """What a line shows."""

    measured: float | None  # None: never reached
    text: str


class Line(NamedTuple):
    measure: str
    calls: tuple[str, ...]  # whose results it reads
    figure: Callable[..., Figure]
    must: float
    aim: float
    is_least: bool = False  # the figure has to be at least as large; else at most

    def reached(self, figure: Figure) -> str:
        if figure.measured is None:
            return "no"
        sign = -1 if self.is_least else 1
        if sign * figure.measured <= sign * self.aim:
            return "aim"
        return "must" if sign * figure.measured <= sign * self.must else "no"


def calls(data: Path, seeds: int) -> dict[str, list[str]]:
    """The commands by name, in the order they are run."""
    bench = [sys.executable, "-m", "service", "bench"]
    own = [sys.executable, "-m", "tests.bench"]
    clinc = ["labels", "--data", str(data / "clinc150.jsonl.gz"), "--seeds", str(seeds)]
    banking = ["labels", "--data", str(data / "banking77.jsonl.gz"), "--seeds", str(seeds)]
    return {
        "pool": [*bench, *clinc, "--strategies", "default"],
        "peers": [
            *bench,
            *clinc,
            "--strategies",
            "default,random",
            "--peers",
            "--start",
            "one-each",
            "--head",
            "plain",
        ],
        "product": [*bench, *clinc, "--strategies", "default", "--start", "one-each"],
        "production": [*bench, *clinc, "--strategies", "default", "--scenario", "production"],
        "banking": [*bench, *banking, "--strategies", "default", "--batch", "200", "--budget", "1800"],
        "entities": [*bench, "entities", "--data", str(data / "snips.jsonl.gz"), "--seeds", str(seeds)],
        "reports": [
            *bench,
            "reports",
            "--data",
            str(data / "clinc150.jsonl.gz"),
            "--seeds",
            str(5 if seeds > 1 else 1),
        ],
        "gate": [*own, "gate"],
        "rank": [*own, "rank"],
        "train": [*own, "train"],
    }


def _match(found: Found) -> Figure:
    needed, reference = found["strategies"]["default"]["labels_to_match"], found["random_reference"]
    reached = f"random@{reference['labels']:,} is {reference['accuracy']:.4f}"
    if needed is None:
        last = found["strategies"]["default"]["curve"][-1]
        return Figure(None, f"not with {last['labels']:,} ({last['accuracy']:.4f}); {reached}")
    return Figure(needed, f"{needed:,.0f} labels; {reached}")


def _share(found: Found) -> Figure:
    figure, reference = _match(found), found["random_reference"]["labels"]
    if figure.measured is None:
        return figure
    return Figure(figure.measured / reference, f"{figure.measured / reference:.1%}: {figure.text}")


def _best_peer(peers: Found) -> tuple[str, float]:
    areas = {name: one["aulc"] for name, one in peers["strategies"].items() if ":" in name}
    return max(areas.items(), key=lambda pair: pair[1])


def _over_peers(peers: Found, product: Found | None = None) -> Figure:
    name, best = _best_peer(peers)
    area = (product or peers)["strategies"]["default"]["aulc"]
    return Figure(area - best, f"{area:.4f}; best peer {name} {best:.4f}: {area - best:+.4f}")


def _of_ceiling(found: Found) -> Figure:
    curve, ceiling = found["strategies"]["default"]["curve"], found["ceiling"]["macro_recall"]
    heights = [point["macro_recall"] for point in curve]
    share = heights[-1] / ceiling
    lowest = min(heights) - heights[0]
    text = f"{share:.3f}: {heights[-1]:.4f} of {ceiling:.4f}; lowest {lowest:+.4f} from its start"
    return Figure(share if lowest >= -0.01 else 0.0, text)


def _sentences(found: Found) -> Figure:
    needed = found["sentences_to_match"]
    reached = f"random@2,000 is {found['random_f1']:.4f}, all {found['full_f1']:.4f}"
    return Figure(needed, f"{'never' if needed is None else f'{needed:,.0f} sentences'}; {reached}")


def _against(name: str) -> Callable[[Found], Figure]:
    def figure(found: Found) -> Figure:
        ratio = found["default"] / found[name] if found[name] else float("inf")
        return Figure(ratio, f"{ratio:.2f}x: {found['default']:.1f} errors fixed per 100 labels, {found[name]:.1f}")

    return figure


def _ratio(found: Found) -> Figure:
    return Figure(
        found["ratio"],
        f"{found['ratio']:.2f}x: {found['seconds']:.1f} s, bare {found['bare_seconds']:.1f} s, "
        f"{found['peak_rss_mib']:,.0f} MiB",
    )


def _promoted(points: str) -> Callable[[Found], Figure]:
    return lambda found: Figure(found["promoted"][points], f"{found['promoted'][points]:.3f}")


LINES = (
    Line("CLINC150: labels to match 10,000 random ones", ("pool",), _match, 1_700, 1_250),
    Line("CLINC150, plain head: area over the best peer's", ("peers",), _over_peers, 0.004, 0.010, is_least=True),
    Line(
        "CLINC150, whole product: area over the best peer's",
        ("peers", "product"),
        _over_peers,
        0.04,
        0.06,
        is_least=True,
    ),
    Line("CLINC150 production: share of the ceiling", ("production",), _of_ceiling, 0.985, 0.995, is_least=True),
    Line("BANKING77: share of 6,668 random labels to match", ("banking",), _share, 0.35, 0.25),
    Line("SNIPS entities: sentences to match 2,000 random ones", ("entities",), _sentences, 1_000, 800),
    Line("reports: errors fixed, over margin", ("reports",), _against("margin"), 1.5, 2.5, is_least=True),
    Line(
        "reports: over the same without them",
        ("reports",),
        _against("default_without_reports"),
        1.2,
        1.5,
        is_least=True,
    ),
    Line(
        "reports: what a liar costs",
        ("reports",),
        lambda found: Figure(found["liar_cost"], f"{found['liar_cost']:.3f}"),
        0.05,
        0.05,
    ),
    Line("gate: promoted at −3 points", ("gate",), _promoted("-3"), 0.02, 0.02),
    Line("gate: promoted at +3 points", ("gate",), _promoted("+3"), 0.9, 0.9, is_least=True),
    Line("ranking 1,000,000 turns", ("rank",), _ratio, 3.0, 1.5),
    Line("retraining on 15,000 labels", ("train",), _ratio, 2.0, 1.2),
)


def run(data: Path, folder: Path, seeds: int) -> None:
    """Run what is missing, then print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    commands = calls(data, seeds)

    def measure(name: str) -> None:
        _measure(name, commands[name], _path(folder, name, seeds), is_beside_others=seeds == 1 and name not in TIMED)

    with ThreadPoolExecutor(AT_ONCE if seeds == 1 else 1) as pool:
        list(pool.map(measure, [name for name in commands if name not in TIMED]))
    for name in TIMED:
        measure(name)
    print(f"{date.today()}, {seeds} seeds, {os.cpu_count()} cores")  # noqa: DTZ011 - the reader's own day
    Console(width=200).print(table(folder, seeds))


def _measure(name: str, command: Sequence[str], path: Path, *, is_beside_others: bool) -> None:
    console = Console(stderr=True)
    if path.exists():
        console.print(f"{name}: {path} is there")
        return
    started = time.monotonic()
    console.rule(f"{name}: {' '.join(['fencepost' if part == 'service' else part for part in command[2:]])}")
    part = path.with_suffix(".part")
    with path.with_suffix(".log").open("wb") if is_beside_others else nullcontext() as progress:
        ended = subprocess.run([*command, "--json", str(part)], check=False, stderr=progress).returncode
    console.print(f"{name}: {'done' if ended == 0 else f'failed with {ended}'} in {time.monotonic() - started:.0f} s")
    if ended == 0:
        part.rename(path)


def _path(folder: Path, name: str, seeds: int) -> Path:
    return folder / f"{name}-{seeds}.json"


def table(folder: Path, seeds: int) -> Table:
    shown = Table("measure", "measured", "must", "aim", "reached", box=MARKDOWN)
    for line in LINES:
        paths = [_path(folder, name, seeds) for name in line.calls]
        if not all(path.exists() for path in paths):
            shown.add_row(line.measure, "its command failed", f"{line.must:g}", f"{line.aim:g}", "-")
            continue
        figure = line.figure(*(json.loads(path.read_text("utf-8")) for path in paths))
        shown.add_row(line.measure, figure.text, f"{line.must:g}", f"{line.aim:g}", line.reached(figure))
    return shown
