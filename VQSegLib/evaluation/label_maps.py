"""What a label map must be before it is scored: whole numbers, on the grid of its partner."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from VQSegLib.errors import VolumeError
from VQSegLib.volume import Array, Volume

# Largest label value that can be scored; above it a file is more likely an image than a label map.
MAX_LABEL = 65535
# Corners of the two grids may differ by this share of a voxel: headers keep directions in single precision.
GRID_TOLERANCE_VOXELS = 0.01


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


def align_to_grid(moving: Volume, fixed: Volume, case_id: str) -> Array:
    """Return the voxels of ``moving`` in the axis order of ``fixed``.

    The same physical grid can be stored with its axes reversed or permuted; voxels are re-indexed, never interpolated.

    Args:
        moving: Label map, ``(K, J, I)``.
        fixed: Label map whose grid is wanted.
        case_id: Name of the pair, for the error's sentence.

    Returns:
        Array of ``fixed``'s shape (a view of ``moving.array``).

    Raises:
        VolumeError: The two do not lie on the same physical grid.
    """
    index_map = np.linalg.inv(fixed.affine_ijk_to_ras) @ moving.affine_ijk_to_ras
    linear = np.rint(index_map[:3, :3])
    is_permutation = bool((np.abs(linear).sum(axis=0) == 1).all() and (np.abs(linear).sum(axis=1) == 1).all())
    if not is_permutation or not _corners_match(moving, fixed, index_map, linear):
        raise VolumeError(_describe_mismatch(moving, fixed, case_id))
    source_axes = np.abs(linear).argmax(axis=1)  # (i, j, k) axis of moving behind each axis of fixed
    array = moving.array.transpose(2, 1, 0).transpose(*source_axes)
    flips = [slice(None, None, -1 if linear[axis, source_axes[axis]] < 0 else 1) for axis in range(3)]
    return array[tuple(flips)].transpose(2, 1, 0)


def compute_spacing_mm_kji(volume: Volume) -> tuple[float, float, float]:
    """Return the distance of neighbouring voxels along the array axes ``(k, j, i)`` in millimetres."""
    i, j, k = (float(np.linalg.norm(volume.affine_ijk_to_ras[:3, axis])) for axis in range(3))
    return k, j, i


def _round_exactly(array: Array, source: str) -> npt.NDArray[np.int64]:
    """Return whole-numbered floats as integers, refuse others."""
    is_whole = np.isfinite(array) & (array == np.rint(array))
    if not is_whole.all():
        value = array[~is_whole].flat[0]
        msg = f"{source} is not a label map: it holds the value {value}, allowed are whole numbers 0..{MAX_LABEL}."
        raise VolumeError(msg)
    return array.astype(np.int64)


def _corners_match(
    moving: Volume, fixed: Volume, index_map: npt.NDArray[np.float64], linear: npt.NDArray[np.float64]
) -> bool:
    """Whether the corners of ``moving`` are, after rounding the axes, the corners of ``fixed``."""
    last_moving = np.array(moving.array.shape[::-1]) - 1
    last_fixed = np.array(fixed.array.shape[::-1]) - 1
    if not np.array_equal(np.abs(linear) @ last_moving, last_fixed):
        return False
    offset = np.where(linear.sum(axis=1) < 0, last_fixed, 0)
    corners = np.array(list(itertools.product(*((0, last) for last in last_moving))), dtype=np.float64).T
    mapped = index_map[:3, :3] @ corners + index_map[:3, 3:]
    return bool(np.abs(mapped - (linear @ corners + offset[:, None])).max() <= GRID_TOLERANCE_VOXELS)


def _describe_mismatch(moving: Volume, fixed: Volume, case_id: str) -> str:
    """Return one sentence that says how two grids differ."""
    return (
        f"Prediction and reference of {case_id} do not lie on the same voxel grid: {_describe_grid(moving)} against "
        f"{_describe_grid(fixed)}; segment the image the reference was drawn on, or resample one of the two first."
    )


def _describe_grid(volume: Volume) -> str:
    size = "x".join(str(length) for length in volume.array.shape[::-1])
    spacing = "x".join(f"{value:.4g}" for value in compute_spacing_mm_kji(volume)[::-1])
    origin = ", ".join(f"{value:.1f}" for value in volume.affine_ijk_to_ras[:3, 3])
    return f"{size} voxels of {spacing} mm, first voxel at RAS ({origin}) mm"
