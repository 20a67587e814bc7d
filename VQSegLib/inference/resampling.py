"""Separable linear resampling between two grids of the same extent.

Output index ``o`` of ``m`` lies at ``(o + 0.5) * n / m - 0.5`` of the ``n`` input indices, for every axis and both
directions, so resampling there and back shifts nothing. When an axis shrinks, the linear kernel is widened by the
ratio (antialiasing), as the noise of thin slices would otherwise be sampled instead of averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from VQSegLib.box import Triple
from VQSegLib.volume import Array

_CHUNK_VOXELS = 8_000_000


def resample_image(
    array: Array,
    shape_kji: Triple,
    *,
    minimum: float | None = None,
    on_fraction: Callable[[float], None] | None = None,
) -> Array:
    """Resample a ``(K, J, I)`` image to a new shape over the same extent.

    Args:
        array: Voxels of any real type.
        shape_kji: Shape of the result.
        minimum: Lower values are raised to it first.
        on_fraction: Called after each part with the share done; what it raises ends the work.

    Returns:
        int16 when the input holds integers that fit (rounded), else float32; the input itself when no side changes.
    """
    result = array
    # In plane first: those axes shrink most, which leaves the least to do along the slices.
    axes = [axis for axis in (2, 1, 0) if array.shape[axis] != shape_kji[axis]]
    if not axes:
        return array
    for number, axis in enumerate(axes):
        result = _resample_axis(result, axis, shape_kji[axis], minimum, _part_of(on_fraction, number, len(axes)))
    if np.issubdtype(array.dtype, np.integer):
        return _to_int16(result)
    return result


def resample_label_map(array: Array, shape_kji: Triple) -> Array:
    """Resample a ``(K, J, I)`` label map: each label linearly, the strongest wins (0 where none does); same dtype."""
    best = np.zeros(shape_kji, dtype=np.float32)
    result = np.zeros(shape_kji, dtype=array.dtype)
    for value in np.unique(array):
        strength = resample_image((array == value).astype(np.float32), shape_kji)
        stronger = strength > best
        best[stronger] = strength[stronger]
        result[stronger] = value
    return result


def _resample_axis(
    array: Array, axis: int, side: int, minimum: float | None, on_fraction: Callable[[float], None]
) -> npt.NDArray[np.float32]:
    """Resample ``(K, J, I)`` along one axis, in parts along another one."""
    other = 0 if axis else 1
    shape = list(array.shape)
    shape[axis] = side
    result = np.empty(shape, dtype=np.float32)
    voxels_each = array.size // array.shape[other]
    for part in _chunks(array.shape[other], voxels_each):
        index = (part,) if other == 0 else (slice(None), part)
        values = np.moveaxis(array[index], axis, -1).astype(np.float32, order="C")
        if minimum is not None:
            np.maximum(values, np.float32(minimum), out=values)
        resized = _interpolate(torch.from_numpy(values).flatten(0, 1), side)
        np.moveaxis(result[index], axis, -1)[...] = resized.numpy().reshape(*values.shape[:2], side)
        on_fraction(part.stop / array.shape[other])
    return result


def _interpolate(lines: torch.Tensor, side: int) -> torch.Tensor:
    """Resize lines ``(N, n)`` to ``(N, side)`` by the antialiased linear kernel.

    As one picture whose height stays: torch 2.13 answers wrong values when it resizes along the height of a picture
    one pixel wide.
    """
    if lines.shape[1] == 1:
        return lines.expand(-1, side)
    size = (lines.shape[0], side)
    return functional.interpolate(lines[None, None], size, mode="bilinear", align_corners=False, antialias=True)[0, 0]


def _part_of(on_fraction: Callable[[float], None] | None, number: int, count: int) -> Callable[[float], None]:
    def report(done: float) -> None:
        if on_fraction is not None:
            on_fraction((number + done) / count)

    return report


def _chunks(count: int, voxels_each: int) -> Iterator[slice]:
    step = max(1, _CHUNK_VOXELS // max(1, voxels_each))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def _to_int16(array: npt.NDArray[np.float32]) -> Array:
    limits = np.iinfo(np.int16)
    rounded = np.rint(array, out=array)
    if rounded.min() < limits.min or rounded.max() > limits.max:
        return rounded
    return rounded.astype(np.int16)
