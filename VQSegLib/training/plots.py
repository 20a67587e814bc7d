"""Curves of a run as a PNG picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from VQSegLib.training.events import read_events

CURVES_FILE = "curves.png"
_PANELS = (
    ("Losses", ("loss/supervised", "loss/consistency", "loss/reconstruction", "loss/alignment", "vq/commitment"), True),
    ("Validation Dice", ("dice",), False),
    ("Codebook", ("vq/active_codes",), False),
)


def save_curves(folder: Path) -> Path:
    """Draw losses, validation Dice (mean and per label) and codebook usage from the events of a run.

    Returns:
        Path of ``curves.png`` in ``folder``; there is no picture where matplotlib is not installed, as in Slicer's
        private folder, because Slicer draws the curves itself.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return folder / CURVES_FILE
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    events = read_events(folder)
    figure = Figure(figsize=(15, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for position, (title, keys, log_scale) in enumerate(_PANELS, start=1):
        axes = figure.add_subplot(1, len(_PANELS), position)
        for key in keys:
            _draw(axes, events, key, key)
        if title == "Validation Dice":
            _draw_labels(axes, events)
            axes.set_ylim(0, 1)
        if title == "Codebook":
            axes.set_ylabel("share of codes used per step")
            axes.set_ylim(0, 1)
        if log_scale:
            axes.set_yscale("log")
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
    path = folder / CURVES_FILE
    figure.savefig(path, dpi=110)
    return path


def _draw(axes: Any, events: list[dict[str, Any]], key: str, name: str) -> None:
    points = [(event["step"], event[key]) for event in events if event.get(key) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), label=name, linewidth=2 if key == "dice" else 1)


def _draw_labels(axes: Any, events: list[dict[str, Any]]) -> None:
    scored = [event for event in events if event["event"] == "validation"]
    for name in sorted({name for event in scored for name in event["dice_per_label"]}):
        points = [(e["step"], e["dice_per_label"][name]) for e in scored if e["dice_per_label"].get(name) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=name, linewidth=0.8, alpha=0.7)
