"""What a label map must be before it is scored: whole numbers, on the grid of its partner."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from VQSegLib.errors import VolumeError
from VQSegLib.orientation import to_canonical
from VQSegLib.volume import Array, Volume

# Largest label value that can be scored; above it a file is more likely an image than a label map.
MAX_LABEL = 65535
# Corners of two equal grids may differ by this share of a voxel: headers keep few digits of spacing and direction.
GRID_TOLERANCE_VOXELS = 0.05


def check_label_map(array: Array, source: str) -> Array:
    """Return a label map with an integer type.

    Args:
        array: Label map of any type; floating-point files are common and fine if all values are whole.
        source: What the array is, as the user knows it.

    Raises:
        VolumeError: A value is not a whole number in 0..65535.
    """
    integers = array.astype(np.uint8) if array.dtype == np.bool_ else array
    if integers.dtype.kind not in "iu":
        integers = _round_exactly(integers, source)
    low, high = (int(integers.min()), int(integers.max())) if integers.size else (0, 0)
    if low < 0 or high > MAX_LABEL:
        msg = (
            f"{source} is not a label map: its values span {low}..{high}, allowed are 0..{MAX_LABEL}; was it an image?"
        )
        raise VolumeError(msg)
    return integers


def find_values(label_map: Array) -> set[int]:
    """Return the label values that occur, without background (0)."""
    values: set[int] = set()
    for part in label_map:  # one slice at a time bounds the memory of np.unique
        values.update(np.unique(part).tolist())
    return values - {0}


def align(moving: Volume, fixed: Volume, names: str) -> tuple[Volume, Volume]:
    """Return two volumes with canonical axes on one grid.

    The same physical grid can be stored with its axes reversed or permuted; voxels are re-indexed, never interpolated.

    Args:
        moving: Volume, ``(K, J, I)``.
        fixed: Volume on the same physical grid, ``(K, J, I)``.
        names: What the two are, first words of the error's sentence.

    Raises:
        VolumeError: The two do not lie on the same physical grid.
    """
    pair = to_canonical(moving), to_canonical(fixed)
    if pair[0].shape_kji != pair[1].shape_kji or _compute_offset_voxels(*pair) > GRID_TOLERANCE_VOXELS:
        msg = (
            f"{names} do not lie on the same voxel grid: {_describe_grid(pair[0])} "
            f"against {_describe_grid(pair[1])}; use label maps of the same image, or resample one first."
        )
        raise VolumeError(msg)
    return pair


def _round_exactly(array: Array, source: str) -> npt.NDArray[np.int64]:
    """Return whole-numbered floats as integers, refuse others."""
    is_whole = np.isfinite(array) & (array == np.rint(array))
    if not is_whole.all():
        value = array[~is_whole].flat[0]
        msg = f"{source} is not a label map: it holds the value {value}, allowed are whole numbers 0..{MAX_LABEL}."
        raise VolumeError(msg)
    return array.astype(np.int64)


def _compute_offset_voxels(moving: Volume, fixed: Volume) -> float:
    """Return the largest distance of a corner of one grid from the same corner of the other, in voxels."""
    last_ijk = np.array(fixed.shape_kji[::-1]) - 1
    corners = np.array([[*(last_ijk * bits), 1] for bits in np.ndindex(2, 2, 2)], dtype=np.float64).T
    mapped = np.linalg.solve(fixed.affine_ijk_to_ras, moving.affine_ijk_to_ras @ corners)
    return float(np.abs(mapped - corners).max())


def _describe_grid(volume: Volume) -> str:
    size = "x".join(str(length) for length in volume.shape_kji[::-1])
    spacing = "x".join(f"{value:.4g}" for value in volume.spacing_mm_kji[::-1])
    origin = ", ".join(f"{value:.1f}" for value in volume.affine_ijk_to_ras[:3, 3])
    return f"{size} voxels of {spacing} mm from RAS ({origin}) mm"
