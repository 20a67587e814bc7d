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

from VQSegLib.box import Box
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
    # What is sure is left out first: numpy converts halves one at a time.
    scores = [
        float(plane[plane.view(np.uint16) != 0].sum(dtype=np.float64)) * row_mm * column_mm for plane in entropy.array
    ]
    order = sorted((-score, index) for index, score in enumerate(scores) if score > 0)
    return tuple(RankedSlice(index, -score) for score, index in order)


def rank_regions(entropy: Volume, structure: npt.NDArray[np.uint8]) -> tuple[RankedRegion, ...]:
    """Return at most 50 connected regions of at least ``UNSURE_NATS``, the least sure first.

    Regions are connected over faces, edges and corners (26 neighbours), and each belongs to one structure.

    Args:
        entropy: Entropy in nats.
        structure: Label value of the likeliest structure at each voxel, background apart; 0 where nobody looked.
    """
    # The bits of halves are ordered as the numbers are, and three times as fast to compare.
    is_unsure = entropy.array.view(np.uint16) >= np.float16(UNSURE_NATS).view(np.uint16)
    everywhere = Box.around(is_unsure)
    if everywhere is None:
        return ()
    unsure = np.where(is_unsure[everywhere.slices], structure[everywhere.slices], 0)
    regions: list[RankedRegion] = []
    for number, found in enumerate(ndimage.find_objects(unsure)):
        if found is not None:
            k, j, i = found
            box = Box((k.start, j.start, i.start), (k.stop, j.stop, i.stop)).moved(everywhere.start_kji).slices
            crop = _Crop(box, unsure[found] == number + 1, entropy.array[box], entropy.spacing_mm_kji)
            regions.extend(_rank_within(crop, number + 1))
    return tuple(sorted(regions, key=lambda region: (-region.score, region.center_ijk))[:_MOST_REGIONS])


@dataclass(frozen=True)
class _Crop:
    """The box around everything that is unsure about one structure."""

    box: tuple[slice, ...]
    unsure: npt.NDArray[np.bool_]
    entropy: EntropyMap
    spacing_mm_kji: tuple[float, float, float]


def _rank_within(crop: _Crop, value: int) -> Iterator[RankedRegion]:
    """Yield the largest regions of one structure."""
    components, count = ndimage.label(crop.unsure, structure=_NEIGHBORS_26)
    found = ndimage.find_objects(components)
    # Slice by slice: bincount turns what it is given into 64-bit numbers.
    sums = np.sum(
        [
            np.bincount(numbers.ravel(), weights=plane.ravel(), minlength=count + 1)
            for numbers, plane in zip(components, crop.entropy, strict=True)
        ],
        axis=0,
    )
    for number in np.argsort(-sums[1:], kind="stable")[:_MOST_REGIONS]:
        part = found[number]
        yield _describe(crop, value, part, components[part] == number + 1, float(sums[number + 1]))


def _describe(
    crop: _Crop, value: int, part: tuple[slice, ...], inside: npt.NDArray[np.bool_], total: float
) -> RankedRegion:
    voxel_mm3 = math.prod(crop.spacing_mm_kji)
    first = np.array([whole.start + within.start for whole, within in zip(crop.box, part, strict=True)])
    last = first + inside.shape - 1
    k, j, i = (first + _middle(inside, crop.entropy[part], crop.spacing_mm_kji)).tolist()
    (k0, j0, i0), (k1, j1, i1) = first.tolist(), last.tolist()
    size = float(np.count_nonzero(inside)) * voxel_mm3
    return RankedRegion(value, total * voxel_mm3, size, (i, j, k), (i0, i1, j0, j1, k0, k1))


def _middle(
    inside: npt.NDArray[np.bool_], entropy: EntropyMap, spacing_mm_kji: tuple[float, float, float]
) -> npt.NDArray[np.int64]:
    """Return the voxel nearest to the centre of entropy, which may itself lie outside of a curved region."""
    weights = np.where(inside, entropy, 0).astype(np.float32)
    center = [
        np.average(np.arange(side), weights=weights.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.float64))
        for axis, side in enumerate(inside.shape)
    ]
    away_k, away_j, away_i = (
        ((np.arange(side) - middle) * spacing) ** 2
        for side, middle, spacing in zip(inside.shape, center, spacing_mm_kji, strict=True)
    )
    away = (away_k[:, None, None] + away_j[:, None] + away_i).astype(np.float32)
    return np.array(np.unravel_index(int(np.argmin(np.where(inside, away, np.inf))), inside.shape))
