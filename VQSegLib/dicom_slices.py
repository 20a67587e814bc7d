"""Whether the slices of a DICOM series are stacked evenly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own convention

from VQSegLib.dicom_header import ORIENTATION, POSITION, read_place
from VQSegLib.errors import VolumeError
from VQSegLib.scan_checks import sheared_sentence

_POSITION_TOLERANCE = 0.1
"""Largest distance of a slice from its even place, as a share of the slice distance; rounded headers reach 0.08."""


def check_slice_positions(readers: list[sitk.ImageFileReader], asked: Path) -> None:
    """Refuse a series whose slices are not stacked evenly along their normal.

    Args:
        readers: Headers of the slices, in their order.
        asked: What the user asked for.

    Raises:
        VolumeError: Slices differ in size or direction, share a place, are missing or sheared, or have no place.
    """
    sizes = {reader.GetSize()[:2] for reader in readers}
    orientations = np.array([read_place(reader, ORIENTATION, 6) for reader in readers])
    if len(sizes) > 1 or np.abs(orientations - orientations[0]).max() > 1e-3:
        msg = f"'{asked}' mixes slices of different size or direction (a localizer?); keep only the files of the scan."
        raise VolumeError(msg)
    positions = np.array([read_place(reader, POSITION, 3) for reader in readers])
    offsets = positions - positions[0]
    step = offsets[-1] / (len(readers) - 1)
    distance = float(np.linalg.norm(step))
    if distance < 1e-3 or _has_twins(positions, distance):
        msg = f"'{asked}' has several slices at one position (phases or repeats?); keep only the files of one scan."
        raise VolumeError(msg)
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    off_normal = float(np.linalg.norm(offsets[-1] - (offsets[-1] @ normal) * normal))
    if off_normal > _POSITION_TOLERANCE * distance * max(1.0, len(readers) / 100):
        raise VolumeError(sheared_sentence(f"'{asked}'"))
    uneven = np.linalg.norm(offsets - np.arange(len(readers))[:, None] * step, axis=1)
    if uneven.max() > _POSITION_TOLERANCE * distance:
        gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
        msg = (
            f"'{asked}' has slices at uneven distances ({gaps.min():.2f} to {gaps.max():.2f} mm; missing slices?), so "
            "places would be wrong; complete the series or resample it to even slices first."
        )
        raise VolumeError(msg)


def _has_twins(positions: np.ndarray[tuple[int, int], np.dtype[np.float64]], distance: float) -> bool:
    gaps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return bool(gaps.min() < 0.01 * distance)
