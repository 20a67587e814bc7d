"""Corrected slices of a label map, brought to the model grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from VQSegLib.box import Box, Triple
from VQSegLib.errors import UserError, VolumeError
from VQSegLib.inference.preprocessing import ModelGridImage
from VQSegLib.inference.resampling import resample_label_map
from VQSegLib.labels import LabelTable
from VQSegLib.volume import Volume


@dataclass(frozen=True)
class CorrectedPlane:
    """One corrected slice on the model grid.

    Attributes:
        axis: Axis of the grid that it is perpendicular to; 0 for axial scans.
        index: Where it lies along that axis.
        classes: uint8 network class, one side long along ``axis``.
        places_kji: ``(n, 3)`` grid indices of what there is to learn: structures, and what was erased.
    """

    axis: int
    index: int
    classes: npt.NDArray[np.uint8]
    places_kji: npt.NDArray[np.int64]


def check_corrections(volume: Volume, corrected: Volume, slices_k: Sequence[int], labels: LabelTable) -> None:
    """Refuse corrections that do not belong to the volume or to the model.

    Raises:
        UserError: No slice is named, or one that the volume lacks.
        VolumeError: The label map has another geometry, or a value that the model does not know.
    """
    count = volume.shape_kji[0]
    if not slices_k:
        msg = "There is nothing to learn from: no corrected slice was given; correct at least one slice first."
        raise UserError(msg)
    outside = [k for k in slices_k if not 0 <= k < count]
    if outside:
        msg = f"Corrected slice {outside[0]} is not in the scan, whose slices are 0 to {count - 1}."
        raise UserError(msg)
    if not corrected.has_geometry_of(volume):
        msg = (
            f"The corrected label map ({corrected.shape_kji} voxels) does not lie on the voxels of the scan "
            f"({volume.shape_kji} voxels); resample it to the scan first."
        )
        raise VolumeError(msg)
    unknown = set(np.unique(corrected.array[sorted(set(slices_k))]).tolist()) - {0, *labels.values}
    if unknown:
        msg = (
            f"The corrected slices hold label value {min(unknown)}, which the model does not know; "
            f"its values are {', '.join(map(str, labels.values))} and 0."
        )
        raise VolumeError(msg)


def find_planes(
    corrected: Volume, slices_k: Sequence[int], proposal: Volume | None, grid: ModelGridImage, labels: LabelTable
) -> list[CorrectedPlane]:
    """Bring each corrected slice to the slice of the model grid that is nearest to it.

    Args:
        corrected: Label map in the geometry of the input.
        slices_k: Indices of the corrected slices along the input's k; of those nearest to one slice of the grid the
            first one counts.
        proposal: What the model had answered, if known: what was erased from it is something to learn, too.
        grid: The input on the model grid.
        labels: Label value of each class.
    """
    planes: dict[int, CorrectedPlane] = {}
    for k in sorted(set(slices_k)):
        plane = _find_plane(corrected, k, proposal, grid, labels)
        planes.setdefault(plane.index, plane)
    # In the order of the grid, so that the answer does not depend on how the input is stored.
    return [planes[index] for index in sorted(planes)]


def _find_plane(
    corrected: Volume, k: int, proposal: Volume | None, grid: ModelGridImage, labels: LabelTable
) -> CorrectedPlane:
    rows, columns = corrected.shape_kji[1:]
    box = grid.axis_map.box_to_canonical(Box((k, 0, 0), (k + 1, rows, columns)), corrected.shape_kji)
    axis = grid.axis_map.source_axis_kji.index(0)
    old_side, new_side = grid.canonical_shape_kji[axis], grid.shape_kji[axis]
    index = min(new_side - 1, int((box.start_kji[axis] + 0.5) * new_side / old_side))
    sides = list(grid.shape_kji)
    sides[axis] = 1
    shape = (sides[0], sides[1], sides[2])
    values = _cut(corrected, box, grid, shape)
    to_learn = values > 0
    if proposal is not None:
        to_learn |= _cut(proposal, box, grid, shape) > 0
    places = np.argwhere(to_learn)
    places[:, axis] = index
    class_of_value = np.zeros(256, dtype=np.uint8)
    class_of_value[list(labels.values)] = np.arange(1, labels.num_classes)
    return CorrectedPlane(axis, index, class_of_value[values], places)


def _cut(label_map: Volume, box: Box, grid: ModelGridImage, shape: Triple) -> npt.NDArray[np.uint8]:
    plane = grid.axis_map.to_canonical(label_map.array)[box.slices].astype(np.uint8)
    return resample_label_map(plane, shape)
