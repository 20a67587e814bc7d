"""What voxels and geometry must be to count as a scan, wherever they come from: a file or another program's memory."""

from __future__ import annotations

import numpy as np

from VQSegLib.errors import VolumeError
from VQSegLib.volume import Array, Volume

MIN_SIDE = 3
"""Fewer slices than this are a picture, not a volume: no surface, no distance and no slice spacing can be trusted."""
_PERPENDICULAR_TOLERANCE = 1e-3


def check_scan(volume: Volume, name: str) -> Volume:
    """Return a scan held in memory as the file readers would have returned it, so that results agree.

    Args:
        volume: Voxels of any number type.
        name: What the user calls it; first words of the sentence.

    Raises:
        VolumeError: Too few slices, axes that are not perpendicular, or values that are not finite.
    """
    if min(volume.shape_kji) < MIN_SIDE:
        shown = "x".join(str(side) for side in volume.shape_kji[::-1])
        msg = (
            f"{name} is {shown} voxels large, but a volume needs at least {MIN_SIDE} slices (and as many rows and "
            "columns); load the whole scan."
        )
        raise VolumeError(msg)
    direction = volume.affine_ijk_to_ras[:3, :3] / np.array(volume.spacing_mm_kji[::-1])
    if not has_perpendicular_axes(direction):
        raise VolumeError(sheared_sentence(name))
    return volume.with_array(narrow_voxels(volume.array, name))


def has_perpendicular_axes(direction: Array) -> bool:
    """Whether the columns of a ``(3, 3)`` matrix of unit vectors are perpendicular to each other."""
    return bool(np.allclose(direction.T @ direction, np.eye(3), atol=_PERPENDICULAR_TOLERANCE))


def narrow_voxels(array: Array, name: str) -> Array:
    """Return int16 where that loses nothing; float64 becomes float32.

    Raises:
        VolumeError: Values are not finite.
    """
    if array.dtype in (np.uint8, np.int16):
        return array
    is_float = np.issubdtype(array.dtype, np.floating)
    low, high = array.min(), array.max()
    if is_float and not (np.isfinite(low) and np.isfinite(high)):
        raise VolumeError(not_finite_sentence(int(np.count_nonzero(~np.isfinite(array))), name))
    limits = np.iinfo(np.int16)
    if limits.min <= low and high <= limits.max:
        whole = array.astype(np.int16)
        if not is_float or np.array_equal(whole, array):
            return whole
    return array.astype(np.float32) if array.dtype == np.float64 else array


def not_finite_sentence(count: int, name: str) -> str:
    """Return the sentence for NaN or infinite voxels."""
    return f"{name} has {count} voxels that are not finite numbers (NaN or infinite); replace them by -1024 first."


def sheared_sentence(name: str) -> str:
    """Return the sentence for axes that are not perpendicular, as a tilted gantry makes them."""
    return (
        f"{name} has axes that are not perpendicular (tilted gantry?), so distances would be wrong; resample it to "
        "a rectangular grid first, for example in 3D Slicer with Acquisition geometry regularization, then export."
    )
