"""What the command line shows: results on stdout, progress and sentences on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from VQSegLib.service_results import OnProgress

_PLAIN_INTERVAL_SECONDS = 30.0


def print_result(text: str) -> None:
    """Write a result to stdout."""
    typer.echo(text)


def print_sentence(text: str) -> None:
    """Write one line to stderr."""
    typer.echo(" ".join(text.split()), err=True)


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """Show progress on stderr: a bar that vanishes at the end, or in a log file a line every half minute."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), _SecondsLeftColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Starting", total=1.0, seconds_left=None)

        def update(fraction: float, stage: str, seconds_left: float | None) -> None:
            bar.update(task, completed=fraction, description=stage, seconds_left=seconds_left)

        yield update


class _SecondsLeftColumn(ProgressColumn):
    """Time left as the service estimates it; rich's own estimate knows nothing of the stages."""

    def render(self, task: Task) -> Text:
        """Return the time left, empty while it is not known."""
        seconds: float | None = task.fields["seconds_left"]
        return Text("" if seconds is None else f"{timedelta(seconds=round(seconds))} left")


def _plain_progress() -> OnProgress:
    """Return a callback that writes a line now and then."""
    last = time.monotonic()

    def update(fraction: float, stage: str, _seconds_left: float | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _PLAIN_INTERVAL_SECONDS:
            last = time.monotonic()
            print_sentence(f"{fraction:4.0%} {stage}")

    return update
