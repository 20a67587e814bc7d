"""Slices and connected regions in the order in which a person should look at them.

The score is the entropy summed over area or volume. On OpenKBP validation scans the tenth of the slices with the
largest sums held 0.21 to 0.29 of all wrong voxels, where the tenth chosen by the errors themselves holds 0.26 to 0.31;
mean entropy, or the sum divided by the size of the structures, chose worse than chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from VQSegLib.volume import Volume

UNSURE_NATS = 0.5
"""Entropy within a region: about one in five for another label. On validation scans half of such voxels are wrong."""
_MOST_REGIONS = 50
_NEIGHBORS_26 = np.ones((3, 3, 3), dtype=np.bool_)

Triple = tuple[int, int, int]
EntropyMap = npt.NDArray[np.float16]


@dataclass(frozen=True)
class RankedSlice:
    """A slice of the input.

    Attributes:
        index: ``k`` of the input.
        score: Entropy summed over the slice's area, nats mm^2; larger is less sure.
    """

    index: int
    score: float


@dataclass(frozen=True)
class RankedRegion:
    """A connected region where the model is unsure about one structure.

    Attributes:
        value: Label value of the structure in question, drawn or not.
        score: Entropy summed over the region's volume, nats mm^3; larger is less sure.
        volume_mm3: Size.
        center_ijk: Voxel of the region nearest to its centre of entropy, index of the input.
        extent_ijk: First and last index along i, j and k: ``(i0, i1, j0, j1, k0, k1)``.
    """

    value: int
    score: float
    volume_mm3: float
    center_ijk: Triple
    extent_ijk: tuple[int, int, int, int, int, int]


def rank_slices(entropy: Volume) -> tuple[RankedSlice, ...]:
    """Return the slices along k with any entropy, the least sure first.

    Args:
        entropy: Entropy in nats.
    """
    _, row_mm, column_mm = entropy.spacing_mm_kji
    scores = [float(plane.sum(dtype=np.float64)) * row_mm * column_mm for plane in entropy.array]
    order = sorted((-score, index) for index, score in enumerate(scores) if score > 0)
    return tuple(RankedSlice(index, -score) for score, index in order)


def rank_regions(entropy: Volume, structure: npt.NDArray[np.uint8]) -> tuple[RankedRegion, ...]:
    """Return at most 50 connected regions of at least ``UNSURE_NATS``, the least sure first.

    Regions are connected over faces, edges and corners (26 neighbours), and each belongs to one structure.

    Args:
        entropy: Entropy in nats.
        structure: Label value of the likeliest structure at each voxel, background apart.
    """
    regions = [region for value in _unsure_values(entropy, structure) for region in _regions(entropy, structure, value)]
    return tuple(sorted(regions, key=lambda region: (-region.score, region.center_ijk))[:_MOST_REGIONS])


def _unsure_values(entropy: Volume, structure: npt.NDArray[np.uint8]) -> list[int]:
    counts = np.zeros(256, dtype=np.int64)
    for plane, values in zip(entropy.array, structure, strict=True):
        counts += np.bincount(values[plane >= UNSURE_NATS], minlength=256)
    return [value for value in range(1, 256) if counts[value]]


def _regions(entropy: Volume, structure: npt.NDArray[np.uint8], value: int) -> Iterator[RankedRegion]:
    voxel_mm3 = math.prod(entropy.spacing_mm_kji)
    unsure = (structure == value) & (entropy.array >= UNSURE_NATS)
    # Components only within the box of what is unsure: their 32-bit numbers need more memory than all else.
    box = ndimage.find_objects(unsure.view(np.uint8))[0]
    components, _ = ndimage.label(unsure[box], structure=_NEIGHBORS_26)
    for number, found in enumerate(ndimage.find_objects(components), start=1):
        inside = components[found] == number
        weights = entropy.array[box][found][inside].astype(np.float64)
        first = np.array([part.start + within.start for part, within in zip(box, found, strict=True)])
        places = np.argwhere(inside) + first
        k, j, i = _middle(places, weights, entropy.spacing_mm_kji)
        k0, j0, i0 = places.min(axis=0).tolist()
        k1, j1, i1 = places.max(axis=0).tolist()
        score, size = float(weights.sum()) * voxel_mm3, len(places) * voxel_mm3
        yield RankedRegion(value, score, size, (i, j, k), (i0, i1, j0, j1, k0, k1))


def _middle(
    places: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], spacing_mm_kji: tuple[float, float, float]
) -> Triple:
    """Return the place nearest to the weighted centre, which may itself lie outside of a curved region."""
    away_mm = (places - np.average(places, axis=0, weights=weights)) * spacing_mm_kji
    k, j, i = places[int(np.argmin((away_mm**2).sum(axis=1)))].tolist()
    return k, j, i
