"""``vqseg benchmark``: methods on one footing, and both sides of every ratio of speed, measured in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from VQSegLib.commands.benchmark_methods import benchmark_methods
from VQSegLib.commands.terminal import print_result, shown_progress

if TYPE_CHECKING:
    from VQSegLib.benchmarks.report import Report

app = typer.Typer(help="Compare methods, and measure speed against others and the machine's own limits.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
RepeatsOption = Annotated[int, typer.Option(min=1, help="Repetitions; the best counts, all are in the JSON.")]


app.command("methods")(benchmark_methods)


@app.command("interactive")
def interactive(repeats: RepeatsOption = 3, as_json: JsonOption = False) -> None:
    """Time what a user waits for: start, click to mask, uncertainty, refine, cancel, transfer."""
    from VQSegLib.benchmarks.interactive import InteractiveSettings, benchmark_interactive

    with shown_progress() as on_progress:
        report = benchmark_interactive(InteractiveSettings(repeats=repeats), on_progress)
    _print(report, as_json)


def _print(report: Report, as_json: bool) -> None:
    print_result(report.model_dump_json(indent=2) if as_json else str(report))
