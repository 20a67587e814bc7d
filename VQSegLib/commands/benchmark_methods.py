"""``vqseg benchmark methods``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from VQSegLib.commands.interrupt import cancel_on_interrupt
from VQSegLib.commands.terminal import print_result, print_sentence, shown_progress


def benchmark_methods(
    data: Annotated[Path, typer.Option(help="Project folder, lidc_slices.npz, or folder of the left-atrium data.")],
    methods: Annotated[str, typer.Option(help="'all', or names of methods separated by commas.")] = "all",
    rows: Annotated[Path | None, typer.Option(help="JSON file with rows of your own, instead of --methods.")] = None,
    labeled: Annotated[str, typer.Option(help="Labeled parts, as shares or numbers of cases: 5%,10% or 4,8.")] = "10%",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds: 0, 1, ...")] = 3,
    steps: Annotated[int | None, typer.Option(help="Training steps of every run.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Training time of every run, instead of --steps.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder; by default benchmark-<data> here.")] = None,
    last: Annotated[bool, typer.Option("--last", help="Keep the last weights, not the best on validation.")] = False,
    config: Annotated[Path | None, typer.Option(help="JSON file with settings of all rows.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting of all rows, as for train; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train and test methods and write the table; the same command goes on where it was stopped.

    Every row has the same cases, network, optimizer, number of steps (or minutes) and choice of weights.
    """
    from VQSegLib.comparison.plan import BenchmarkPlan
    from VQSegLib.comparison.rows import choose_rows, load_rows
    from VQSegLib.service import Service
    from VQSegLib.training.config_values import load_values

    plan = BenchmarkPlan(
        rows=load_rows(rows) if rows else choose_rows([name.strip() for name in methods.split(",")]),
        budgets=tuple(part.strip() for part in labeled.split(",")),
        seeds=tuple(range(seeds)),
        steps=steps,
        minutes=minutes,
        select_last=last,
        values=load_values(config) if config else {},
        settings=settings or (),
    )
    folder = output or Path(f"benchmark-{data.resolve().stem.replace('_', '-')}")
    with shown_progress() as on_progress, cancel_on_interrupt() as cancelled:
        files = Service().benchmark_methods(data, plan, folder, on_progress=on_progress, cancelled=cancelled)
    print_result(files.json.read_text(encoding="utf-8") if as_json else files.markdown.read_text(encoding="utf-8"))
    print_sentence(f"Wrote '{files.markdown}', '{files.csv.name}' and '{files.json.name}'.")
