"""Picture of a segmentation: three planes of the CT with the contours of prediction and reference."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from VQSegLib.atomic_files import written_atomically
from VQSegLib.errors import VolumeError
from VQSegLib.evaluation.label_maps import align, check_label_map
from VQSegLib.evaluation.overlay_drawing import Scene, draw_scene
from VQSegLib.labels import LabelTable
from VQSegLib.orientation import to_canonical
from VQSegLib.volume import Array, Volume

SOFT_TISSUE_WINDOW_HU = (-160.0, 240.0)
_MARGIN_MM = 40.0


def save_overlay(
    path: Path,
    image: Volume,
    prediction: Volume,
    reference: Volume | None,
    labels: LabelTable,
    *,
    window_hu: tuple[float, float] = SOFT_TISSUE_WINDOW_HU,
    title: str = "",
) -> None:
    """Write a PNG with an axial, a coronal and a sagittal plane and the contours of every label.

    Each plane cuts the labelled region where the labels of the reference (without one: of the prediction) are seen
    best; the view is limited to that region and a margin.

    Args:
        path: PNG file; the name appears when the file is complete.
        image: CT in HU.
        prediction: Label map on the image's grid (drawn solid).
        reference: Label map on the image's grid (drawn dashed), or None.
        labels: Which values are drawn, their names and colors.
        window_hu: HU shown black and white.
        title: First line of the picture.

    Raises:
        VolumeError: The label maps do not lie on the image's grid, or the file cannot be written.
    """
    scene = _build_scene(image, prediction, reference, labels)
    figure = draw_scene(scene, labels, window_hu, title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="auto")
    try:
        with written_atomically(path) as temporary:
            temporary.write_bytes(buffer.getvalue())
    except OSError as error:
        msg = f"'{path}' could not be written; check that the folder exists and can be written."
        raise VolumeError(msg) from error


def _build_scene(image: Volume, prediction: Volume, reference: Volume | None, labels: LabelTable) -> Scene:
    predicted = _prepare(prediction, image, "prediction")
    drawn = _prepare(reference, image, "reference") if reference is not None else None
    canonical = to_canonical(image)
    guide = drawn if drawn is not None and np.isin(drawn, labels.values).any() else predicted
    guide = np.where(np.isin(guide, labels.values), guide, 0)
    return Scene(
        image=canonical.array,
        prediction=predicted,
        reference=drawn,
        spacing_mm_kji=canonical.spacing_mm_kji,
        cuts_kji=tuple(_choose_cut(guide, axis) for axis in range(3)),
        box=_choose_box(guide, canonical.spacing_mm_kji),
    )


def _prepare(label_map: Volume, image: Volume, name: str) -> Array:
    """Return a label map's whole numbers in canonical order on the image's grid."""
    aligned = align(label_map, image, f"{name.capitalize()} and image")[0]
    return check_label_map(aligned.array, f"The {name}")


def _choose_cut(guide: Array, axis: int) -> int:
    """Return the slice that shows the labels best, each measured by its area against its own largest cross-section."""
    slices = np.moveaxis(guide, axis, 0)
    counts = np.array([np.bincount(part.ravel(), minlength=int(guide.max()) + 1)[1:] for part in slices])
    if not counts.any():
        return len(slices) // 2
    shares = counts / np.maximum(counts.max(axis=0), 1)
    return int(shares.sum(axis=1).argmax())


def _choose_box(guide: Array, spacing_mm_kji: tuple[float, float, float]) -> tuple[slice, ...]:
    """Return the labelled region and a margin, the whole image if nothing is labelled."""
    places = np.argwhere(guide)
    if not len(places):
        return tuple(slice(0, length) for length in guide.shape)
    margins = [math.ceil(_MARGIN_MM / spacing) for spacing in spacing_mm_kji]
    return tuple(
        slice(max(0, int(low) - margin), min(length, int(high) + 1 + margin))
        for low, high, margin, length in zip(places.min(0), places.max(0), margins, guide.shape, strict=True)
    )
