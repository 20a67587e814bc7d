"""How the overlay picture is laid out and drawn.

Radiological convention: axial and coronal planes show the patient's right on the left side of the picture, the axial
plane is seen from below with anterior up, the sagittal plane shows anterior on the left; superior is up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from VQSegLib.labels import Label, LabelTable
from VQSegLib.volume import Array

DISCLAIMER = "Research use only. Not a medical device."
_WIDTH = 13.0  # inches
_LEGEND_COLUMNS = 9
_HALO = [withStroke(linewidth=2.6, foreground="#000000a0")]  # keeps lines and letters legible on bone
_DASHED = (0, (2.5, 1.5))
_INK, _PAPER, _QUIET = "#f2f2f2", "#101214", "#9aa0a6"


@dataclass(frozen=True)
class _Plane:
    """One view of canonical (LPS) arrays: index k grows towards Superior, j Posterior, i Left."""

    title: str
    axis: int  # array axis the plane is perpendicular to
    letters: tuple[str, str, str, str]  # left, right, top, bottom of the picture
    is_superior_up: bool


_PLANES = (
    _Plane("Axial", 0, ("R", "L", "A", "P"), is_superior_up=False),
    _Plane("Coronal", 1, ("R", "L", "S", "I"), is_superior_up=True),
    _Plane("Sagittal", 2, ("A", "P", "S", "I"), is_superior_up=True),
)


@dataclass(frozen=True)
class Scene:
    """What is drawn: canonical arrays on one grid, the cut of each plane and the box around the labels."""

    image: Array
    prediction: Array
    reference: Array | None
    spacing_mm_kji: tuple[float, float, float]
    cuts_kji: tuple[int, ...]
    box: tuple[slice, ...]


def draw_scene(scene: Scene, labels: LabelTable, window_hu: tuple[float, float], title: str) -> Figure:
    """Return the figure: axial, coronal and sagittal plane side by side, and the legend below.

    Args:
        scene: Canonical arrays and where to cut them.
        labels: Which values are drawn, their names and colors.
        window_hu: HU shown black and white.
        title: First line, may be empty.
    """
    sizes = [(part.stop - part.start) * step for part, step in zip(scene.box, scene.spacing_mm_kji, strict=True)]
    widths, heights = (sizes[2], sizes[2], sizes[1]), (sizes[1], sizes[0], sizes[0])
    handles = _build_legend(scene, labels)
    panel = min(9.0, (_WIDTH - 0.9) * max(heights) / sum(widths))
    above, below = (0.75 if title else 0.4), 0.45 + 0.25 * math.ceil(len(handles) / _LEGEND_COLUMNS)
    height = above + panel + below
    figure = Figure(figsize=(_WIDTH, height), dpi=110, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    edges = {"left": 0.02, "right": 0.98, "bottom": below / height, "top": 1.0 - above / height}
    grid = figure.add_gridspec(1, 3, width_ratios=widths, wspace=0.04, **edges)
    for index, plane in enumerate(_PLANES):
        _draw_plane(figure.add_subplot(grid[0, index]), plane, scene, labels, window_hu)
    figure.text(0.02, 1.0 - 0.3 / height, title, color=_INK, fontsize=12, va="center")
    figure.text(0.5, 0.12 / height, DISCLAIMER, color=_QUIET, fontsize=8, ha="center", va="center")
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.2 / height)}
    figure.legend(handles=handles, ncols=_LEGEND_COLUMNS, frameon=False, labelcolor=_INK, fontsize=9, **place)
    return figure


def _draw_plane(axes: Axes, plane: _Plane, scene: Scene, labels: LabelTable, window_hu: tuple[float, float]) -> None:
    cut = scene.cuts_kji[plane.axis]
    rows, columns = (scene.spacing_mm_kji[axis] for axis in range(3) if axis != plane.axis)
    pixels = _take(scene, scene.image, plane, cut)
    height, width = pixels.shape[0] * rows, pixels.shape[1] * columns
    extent = (0.0, width, 0.0, height) if plane.is_superior_up else (0.0, width, height, 0.0)
    axes.imshow(
        pixels,
        cmap="gray",
        vmin=window_hu[0],
        vmax=window_hu[1],
        origin="lower" if plane.is_superior_up else "upper",
        extent=extent,
        interpolation="bilinear",
    )
    y, x = ((np.arange(-1, n + 1) + 0.5) * step for n, step in zip(pixels.shape, (rows, columns), strict=True))
    for label, mask, style in _iter_outlines(scene, labels, plane, cut):
        outline = axes.contour(x, y, np.pad(mask, 1), levels=[0.5], colors=[_color(label)], linestyles=[style])
        outline.set(linewidth=1.4, path_effects=_HALO)
    axes.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal", anchor="N")
    axes.spines[:].set_visible(False)
    axes.set_title(plane.title, color=_INK, fontsize=10)
    _draw_letters(axes, plane)


def _iter_outlines(
    scene: Scene, labels: LabelTable, plane: _Plane, cut: int
) -> Iterator[tuple[Label, npt.NDArray[np.float64], object]]:
    """Yield the masks to draw on a plane: every label solid as predicted, then dashed as in the reference."""
    for array, style in ((scene.prediction, "solid"), (scene.reference, _DASHED)):
        if array is None:
            continue
        part = _take(scene, array, plane, cut)
        for label in labels.labels:
            mask = part == label.value
            if mask.any():
                yield label, mask.astype(np.float64), style


def _take(scene: Scene, array: Array, plane: _Plane, cut: int) -> Array:
    """Return the plane's pixels within the box, rows and columns in canonical order."""
    box: list[slice | int] = list(scene.box)
    box[plane.axis] = cut
    pixels: Array = array[tuple(box)]
    return pixels


def _draw_letters(axes: Axes, plane: _Plane) -> None:
    for letter, (x, y) in zip(plane.letters, ((0.035, 0.5), (0.965, 0.5), (0.5, 0.965), (0.5, 0.035)), strict=True):
        text = axes.text(x, y, letter, ha="center", va="center", transform=axes.transAxes)
        text.set(color=_INK, fontsize=11, weight="bold", path_effects=_HALO)


def _build_legend(scene: Scene, labels: LabelTable) -> list[Line2D]:
    """Return the key of both line styles and of the labels that occur."""
    maps = [array for array in (scene.prediction, scene.reference) if array is not None]
    occurring = set().union(*(np.unique(array).tolist() for array in maps))
    handles = [Line2D([], [], color=_INK, linewidth=1.4, label="prediction")]
    if scene.reference is not None:
        handles.append(Line2D([], [], color=_INK, linewidth=1.4, linestyle=_DASHED, label="reference"))
    shown = [label for label in labels.labels if label.value in occurring]
    return handles + [Line2D([], [], color=_color(label), linewidth=2.5, label=label.name) for label in shown]


def _color(label: Label) -> tuple[float, float, float]:
    red, green, blue = label.color
    return red / 255, green / 255, blue / 255
