"""Pictures of what benchmarks found."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from VQSegLib.atomic_files import written_atomically
from VQSegLib.benchmarks.growth import Growth
from VQSegLib.benchmarks.report import Ratio, Report
from VQSegLib.errors import UserError
from VQSegLib.output_checks import check_output_file
from VQSegLib.resources import resources_folder

_LOGARITHMIC_ABOVE = 50
"""Ratio of the longest to the shortest bar above which the shortest could not be seen otherwise."""


def save_ratios(report: Report, path: Path) -> None:
    """Draw both sides of every ratio as bars, the ratio beside them."""
    ratios = [line for line in report.lines if isinstance(line, Ratio)]
    figure = _new_figure(1.2 + 0.62 * len(ratios))
    axes = figure.add_subplot()
    for row, ratio in enumerate(ratios):
        for offset, side, color in ((0.2, ratio.numerator, "0.65"), (-0.2, ratio.denominator, "tab:blue")):
            axes.barh(row + offset, side.best, height=0.38, color=color)
            axes.text(side.best, row + offset, f" {side.best:.3g} {side.unit}", va="center", fontsize=7)
    axes.set_yticks(range(len(ratios)), [f"{ratio.name}\n= {ratio.value:.3g}" for ratio in ratios], fontsize=7)
    sides = [side.best for ratio in ratios for side in (ratio.numerator, ratio.denominator)]
    scale = "log" if max(sides) > _LOGARITHMIC_ABOVE * min(sides) else "linear"
    axes.set(xscale=scale, xlabel="seconds, best of the repetitions", title=report.command)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    _save(figure, path)


def save_growth(growth: Growth, path: Path) -> None:
    """Draw time and memory over the number of slices."""
    figure = _new_figure(3.6)
    for place, values, label in ((1, growth.seconds, "seconds"), (2, growth.extra_gib, "GiB beyond scan and mask")):
        axes = figure.add_subplot(1, 2, place)
        axes.plot(growth.slices, values, "o-")
        axes.set(xlabel="slices of 512 x 512", ylabel=label, ylim=(0, 1.15 * max(values)))
        axes.grid(alpha=0.3)
    _save(figure, path)


def check_plot(path: Path) -> None:
    """Refuse a picture that could not be written, before anything is measured.

    Raises:
        UserError: The file cannot be written or is no .png, or matplotlib is missing.
    """
    check_output_file(path, (".png",), source=resources_folder(), overwrite=True)
    if importlib.util.find_spec("matplotlib") is None:
        msg = "Drawing needs the package matplotlib, which is missing; run pip install 'vqseg[report]'."
        raise UserError(msg)


def _new_figure(height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    with written_atomically(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
