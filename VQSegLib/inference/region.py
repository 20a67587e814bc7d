"""The part of the model grid that is worth computing."""

from __future__ import annotations

import math

import numpy as np

from VQSegLib.box import Box, Triple
from VQSegLib.errors import UserError
from VQSegLib.inference.preprocessing import ModelGridImage
from VQSegLib.volume import Array

_CONTEXT_VOXELS = 2
"""Model voxels around a region of interest, so that interpolation at its faces has both neighbours."""


def find_region(body: Box, roi: Box | None, shape_kji: Triple, grid: ModelGridImage) -> Box:
    """Return the box of the model grid to compute: the body, cut to the region of interest where that meets it.

    Args:
        body: Body box on the model grid.
        roi: Region of interest in voxel indices of the input, or None.
        shape_kji: Shape of the input.
        grid: Image on the model grid.

    Raises:
        UserError: If the region of interest lies outside the input.
    """
    if roi is None:
        return body
    inside = roi.intersection(Box.whole(shape_kji))
    if inside is None:
        msg = (
            f"The region of interest from {roi.start_kji} to {roi.stop_kji} (slice, row, column) lies outside the "
            f"volume of {shape_kji} voxels; choose a box within it."
        )
        raise UserError(msg)
    canonical = grid.axis_map.box_to_canonical(inside, shape_kji)
    ratios = [new / old for new, old in zip(grid.shape_kji, grid.canonical_shape_kji, strict=True)]
    k0, j0, i0 = (math.floor(start * ratio) for start, ratio in zip(canonical.start_kji, ratios, strict=True))
    k1, j1, i1 = (math.ceil(stop * ratio) for stop, ratio in zip(canonical.stop_kji, ratios, strict=True))
    wanted = Box((k0, j0, i0), (k1, j1, i1)).grown((_CONTEXT_VOXELS,) * 3, grid.shape_kji)
    return wanted.intersection(body) or wanted


def clear_outside(array: Array, roi: Box) -> None:
    """Set everything outside of the box to zero, in place."""
    for axis, (start, stop) in enumerate(zip(roi.start_kji, roi.stop_kji, strict=True)):
        along_axis = np.moveaxis(array, axis, 0)
        along_axis[: max(0, start)] = 0
        along_axis[max(0, stop) :] = 0
