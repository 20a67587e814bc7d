"""Dice over the dropout rate beside Dice over QPM's epsilon, from the benchmark of ``sensitivity.json``.

The rows are named ``Dropout 0.3`` and ``QPM 0.3``; rows without a number are drawn as lines across::

    python experiments/lidc/sensitivity.py BENCHMARK/results.json --output docs/pictures/lidc_sensitivity.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from VQSegLib.comparison.results import BenchmarkResult, TableRow

_AXES = {"Dropout": "dropout rate of the coarsest map", "QPM": "QPM's epsilon: share of codes replaced"}


def split_name(row: TableRow) -> tuple[str, float | None]:
    """Return what a row changes and by how much."""
    kind, _, value = row.name.rpartition(" ")
    return (kind, float(value)) if kind in _AXES else (row.name, None)


def draw(result: BenchmarkResult, path: Path) -> None:
    """Draw one panel per kind of perturbation, on one scale."""
    table = next(table for table in result.tables if table.variant == "plain")
    scored = [(*split_name(row), row.figures["dice"].mean) for row in table.rows if row.figures]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(_AXES), sharey=True)
    for axes, (kind, label) in zip(panels, _AXES.items(), strict=True):
        points = sorted((value, score) for name, value, score in scored if name == kind and value is not None)
        axes.plot(*zip(*points, strict=True), "o-", color="tab:blue")
        for value, score in points:
            axes.annotate(f"{score:.3f}", (value, score), textcoords="offset points", xytext=(0, 6), fontsize=7)
        for name, value, score in scored:
            if value is None:
                axes.axhline(score, color="0.5", linestyle="--", linewidth=1)
                axes.text(0.02, score, name, fontsize=7, va="bottom", transform=axes.get_yaxis_transform())
        axes.set(xlabel=label, xlim=(0, 1))
        axes.margins(y=0.15)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"Dice, {table.budget} labeled")
    figure.savefig(path, dpi=130)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    draw(BenchmarkResult.model_validate_json(options.results.read_bytes()), options.output)


if __name__ == "__main__":
    main()
