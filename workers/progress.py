"""Progress on standard error, so that standard output stays machine-readable."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

COLUMNS = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


class Progress:
    """One bar at a time; each stays when it is done. Where there is no terminal a step is one line at its end."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Call what is yielded with how much more is done."""
        with Bars(*COLUMNS, console=self.console) as bars:
            task = bars.add_task(name, total=total)
            yield lambda more: bars.advance(task, more)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)
