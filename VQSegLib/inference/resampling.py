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
        int16 when the input holds integers that fit (rounded), else float32.
    """
    in_plane = np.empty((array.shape[0], *shape_kji[1:]), dtype=np.float32)
    for part in _chunks(array.shape[0], array[0].size):
        values = torch.from_numpy(np.ascontiguousarray(array[part], dtype=np.float32))
        if minimum is not None:
            values = values.clamp(min=minimum)
        in_plane[part] = _interpolate(values[:, None], shape_kji[1:])[:, 0].numpy()
        if on_fraction is not None:
            on_fraction(0.8 * part.stop / array.shape[0])
    result = _resample_slices(in_plane, shape_kji[0])
    if on_fraction is not None:
        on_fraction(1.0)
    if np.issubdtype(array.dtype, np.integer):
        return _to_int16(result)
    return result


def _resample_slices(array: npt.NDArray[np.float32], slices: int) -> npt.NDArray[np.float32]:
    """Resample ``(K, J, I)`` along K."""
    if array.shape[0] == slices:
        return array
    result = np.empty((slices, *array.shape[1:]), dtype=np.float32)
    for part in _chunks(array.shape[1], array[:, 0].size):
        # A (K, J * I) picture whose width stays, so only the slice axis is resampled.
        picture = torch.from_numpy(np.ascontiguousarray(array[:, part])).flatten(1)
        resized = _interpolate(picture[None, None], (slices, picture.shape[1]))
        result[:, part] = resized.numpy().reshape(slices, -1, array.shape[2])
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


def _interpolate(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize ``(B, 1, H, W)`` by the antialiased linear kernel."""
    if tuple(images.shape[2:]) == size:
        return images
    return functional.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


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
