"""Distances between the surfaces of two masks: one expensive step, cheap readers.

:func:`compute_surface_distances` finds every surface voxel's distance to the other surface; ``hd95_mm``, ``asd_mm``,
``assd_mm`` and ``surface_dice_at_mm`` only read its result.

A surface voxel is a mask voxel with at least one of its face neighbours (4 in 2-D, 6 in 3-D) outside the mask, where
everything beyond the image's edge counts as outside; its place is the voxel's center. This is the definition of medpy,
whose ``hd95``, ``asd`` and ``assd`` are matched.

Empty masks: a distance is ``inf`` if exactly one mask is empty, so that a missed structure can never look good, and
NaN if both are empty (absent: nothing to score). Surface Dice is 0 and NaN in these two cases.

Unit: distances have the unit of the spacing. With the spacing in millimetres they are millimetres; with spacing
(1, 1, 1) they are voxels, the convention of most semi-supervised segmentation papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from VQSegLib.errors import ConfigError, VolumeError
from VQSegLib.evaluation.overlap import Mask, check_same_shape

FloatArray = npt.NDArray[np.float64]

# Differences of coordinates such as 10 * 0.7 - 7 * 0.7 miss 3 * 0.7 by about 1e-15; a tolerance of 2.1 must hold them.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance of each surface voxel to the nearest surface voxel of the other mask, in the unit of the spacing.

    Attributes:
        prediction_to_reference: ``(P,)``, one per surface voxel of the prediction; ``inf`` if the reference is empty.
        reference_to_prediction: ``(R,)``, one per surface voxel of the reference; ``inf`` if the prediction is empty.
    """

    prediction_to_reference: FloatArray
    reference_to_prediction: FloatArray

    @property
    def pooled(self) -> FloatArray:
        """Distances of both directions, ``(P + R,)``."""
        return np.concatenate((self.prediction_to_reference, self.reference_to_prediction))


def compute_surface_distances(prediction: Mask, reference: Mask, spacing_mm_kji: Sequence[float]) -> SurfaceDistances:
    """Compute the distances between the surfaces of two masks, in both directions.

    A k-d tree over the surface voxels is as exact as a Euclidean distance transform and, as surfaces are thin, faster:
    0.16 s against 0.77 s per direction on a liver-sized organ in its own box of 7 million voxels. Surface voxels the
    masks share need no search.

    Args:
        prediction: Boolean mask, ``(K, J, I)`` (or ``(J, I)``).
        reference: Boolean mask of the same shape.
        spacing_mm_kji: Distance of neighbouring voxels along each array axis; ones for distances in voxels.

    Returns:
        Distances of both directions; see :class:`SurfaceDistances` for empty masks.

    Raises:
        VolumeError: The shapes differ, or the spacing is not one positive number per axis.
    """
    check_same_shape(prediction, reference)
    spacing = _check_spacing(spacing_mm_kji, prediction.ndim)
    box = _bounding_box(prediction | reference)
    surfaces = _find_surface(prediction[box]), _find_surface(reference[box])
    return SurfaceDistances(
        _compute_nearest(surfaces[0], surfaces[1], spacing), _compute_nearest(surfaces[1], surfaces[0], spacing)
    )


def hd95_mm(distances: SurfaceDistances) -> float:
    """Return the 95th percentile of the distances of both directions pooled (linear interpolation, as medpy's hd95).

    Other tools take the larger of the two directions' percentiles, which gives another number.
    """
    pooled = distances.pooled
    if pooled.size and not np.isfinite(pooled).all():
        return float("inf")
    return float(np.percentile(pooled, 95)) if pooled.size else float("nan")


def asd_mm(distances: SurfaceDistances) -> float:
    """Return the mean distance from the prediction's surface to the reference's (directional, as medpy's asd).

    It does not see parts of the reference that the prediction lacks; read :func:`assd_mm` beside it.
    """
    if distances.prediction_to_reference.size:
        return float(distances.prediction_to_reference.mean())
    return float("inf") if distances.reference_to_prediction.size else float("nan")


def assd_mm(distances: SurfaceDistances) -> float:
    """Return the average symmetric surface distance: the mean of both directions pooled.

    Definition: Heimann et al., IEEE Trans. Med. Imaging 28:1251, 2009, as medpy's assd since 0.5; older tools average
    the two directions' means instead, which gives another number.
    """
    pooled = distances.pooled
    return float(pooled.mean()) if pooled.size else float("nan")


def surface_dice_at_mm(distances: SurfaceDistances, tolerance: float) -> float:
    """Return the share of both surfaces that lies within a tolerance of the other surface (normalized surface Dice).

    Idea: Nikolov et al., J. Med. Internet Res. 23:e26151, 2021. This is the voxel-surface form: every surface voxel
    counts one, measured at voxel centers. google-deepmind/surface-distance weights surface elements (surfels) between
    voxels by their area instead; the two agree closely on smooth structures of many voxels, not on tiny or strongly
    anisotropic ones.

    Args:
        distances: Result of :func:`compute_surface_distances`.
        tolerance: Largest acceptable distance, in the distances' unit; equal counts as within.

    Returns:
        Value in [0, 1]; 0 if exactly one mask is empty, NaN if both are.

    Raises:
        ConfigError: The tolerance is negative or not a number.
    """
    if not tolerance >= 0:
        msg = f"The tolerance of surface Dice must be 0 or more, given {tolerance}; 1 to 3 mm are usual."
        raise ConfigError(msg)
    pooled = distances.pooled
    return float(np.count_nonzero(pooled <= tolerance + _ROUNDING)) / pooled.size if pooled.size else float("nan")


def _check_spacing(spacing: Sequence[float], ndim: int) -> FloatArray:
    """Return the spacing as an array of ``ndim`` positive numbers."""
    values = np.asarray(spacing, dtype=np.float64)
    if values.shape != (ndim,) or not np.all(np.isfinite(values) & (values > 0)):
        msg = f"The spacing must be {ndim} positive numbers, one per array axis, given {tuple(spacing)}."
        raise VolumeError(msg)
    return values


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    """Return the slices that hold all True voxels, empty ones for an empty mask."""
    slices = []
    for axis in range(mask.ndim):
        other_axes = tuple(other for other in range(mask.ndim) if other != axis)
        hits = np.flatnonzero(mask.any(axis=other_axes))
        slices.append(slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0))
    return tuple(slices)


def _find_surface(mask: Mask) -> Mask:
    """Return the mask's surface voxels; beyond the array's edge is outside."""
    interior = mask.copy()
    for axis in range(mask.ndim):
        source, target = np.moveaxis(mask, axis, 0), np.moveaxis(interior, axis, 0)
        target[1:] &= source[:-1]
        target[:-1] &= source[1:]
        target[:1] = False
        target[-1:] = False
    return mask & ~interior


def _compute_nearest(from_surface: Mask, to_surface: Mask, spacing: FloatArray) -> FloatArray:
    """Return the distance of each voxel of one surface to the nearest voxel of the other."""
    points = np.argwhere(from_surface)
    targets = np.argwhere(to_surface)
    if not len(targets):
        return np.full(len(points), np.inf)
    distances = np.zeros(len(points))
    apart = ~to_surface[from_surface]
    if apart.any():
        distances[apart] = KDTree(targets * spacing).query(points[apart] * spacing)[0]
    return distances
