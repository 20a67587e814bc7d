"""Canonical orientation: a lossless permutation and flip of the voxel axes.

Canonical is LPS, the way axial CT is stored and viewed: index i grows towards the patient's Left, j towards Posterior,
k towards Superior. An oblique volume keeps its own grid; its axes are named after the closest anatomical ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from VQSegLib.box import Box, Triple
from VQSegLib.volume import Array, Volume


@dataclass(frozen=True)
class AxisMap:
    """How the axes of a volume become canonical: transpose, then flip.

    Attributes:
        source_axis_kji: For each canonical axis (k, j, i) the array axis it comes from.
        is_flipped_kji: For each canonical axis whether it runs against the array axis.
    """

    source_axis_kji: Triple
    is_flipped_kji: tuple[bool, bool, bool]

    @classmethod
    def of(cls, affine_ijk_to_ras: npt.NDArray[np.float64]) -> AxisMap:
        """Return the map for a geometry: the assignment of axes with the largest total alignment."""
        directions_ras_ijk = affine_ijk_to_ras[:3, :3] / np.linalg.norm(affine_ijk_to_ras[:3, :3], axis=0)
        # Rows become Superior, Posterior, Left (canonical k, j, i); columns become array axes 0, 1, 2 (k, j, i).
        towards = (directions_ras_ijk * np.array([[-1.0], [-1.0], [1.0]]))[::-1, ::-1]
        best = max(
            permutations(range(3)), key=lambda axes: sum(abs(towards[row, axis]) for row, axis in enumerate(axes))
        )
        k, j, i = (bool(towards[row, axis] < 0) for row, axis in enumerate(best))
        return cls((best[0], best[1], best[2]), (k, j, i))

    def to_canonical(self, array: Array) -> Array:
        """Return a canonical view of an array in the volume's own axis order (no copy)."""
        k, j, i = (slice(None, None, -1 if flipped else 1) for flipped in self.is_flipped_kji)
        return np.transpose(array, self.source_axis_kji)[k, j, i]

    def box_to_canonical(self, box: Box, shape_kji: Triple) -> Box:
        """Return a box of an array of ``shape_kji`` (own axis order) in canonical indices."""
        starts, stops = [], []
        for axis, flipped in zip(self.source_axis_kji, self.is_flipped_kji, strict=True):
            start, stop = box.start_kji[axis], box.stop_kji[axis]
            starts.append(shape_kji[axis] - stop if flipped else start)
            stops.append(shape_kji[axis] - start if flipped else stop)
        return Box((starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2]))


def to_canonical(volume: Volume) -> Volume:
    """Return the same voxels at the same physical places with canonical axes; the array is a view."""
    axis_map = AxisMap.of(volume.affine_ijk_to_ras)
    affine = np.eye(4)
    origin_ijk = np.zeros(3)
    for row, (axis, flipped) in enumerate(zip(axis_map.source_axis_kji, axis_map.is_flipped_kji, strict=True)):
        column = volume.affine_ijk_to_ras[:3, 2 - axis]
        affine[:3, 2 - row] = -column if flipped else column
        origin_ijk[2 - axis] = volume.shape_kji[axis] - 1 if flipped else 0
    affine[:3, 3] = volume.affine_ijk_to_ras[:3, :3] @ origin_ijk + volume.affine_ijk_to_ras[:3, 3]
    return Volume(axis_map.to_canonical(volume.array), affine)
