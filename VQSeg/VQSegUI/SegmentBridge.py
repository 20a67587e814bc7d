"""Turns segments into arrays with geometry, and back; arrays, extents and matrices are those of `SceneBridge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from VQSegUI.SceneBridge import Matrix, Triple, ijkToRas, matrixRows

GRID_TOLERANCE = 0.01
"""Largest difference, in voxels, of two voxel grids that still count as one."""


def makeLabelmap(array: np.ndarray, extentIjk: Sequence[int], volumeNode: Any) -> Any:
    """Return a ``(K, J, I)`` array of 0 and 1 as an image at its place in a volume's voxel grid."""
    labelmap = slicer.vtkOrientedImageData()
    labelmap.SetExtent(*[int(value) for value in extentIjk])
    scalars = numpy_to_vtk(np.ascontiguousarray(array, dtype=np.uint8).ravel(), deep=True)
    scalars.SetName("ImageScalars")
    labelmap.GetPointData().SetScalars(scalars)
    labelmap.SetImageToWorldMatrix(ijkToRas(volumeNode))
    return labelmap


@dataclass(frozen=True)
class Layer:
    """The label map that a segment shares with others.

    Attributes:
        voxels: ``(K, J, I)``, a view of Slicer's own; must not be written to.
        value: Value of the segment's voxels.
        extentIjk: Extent of the array.
        matrix: Voxel indices to millimetres.
    """

    voxels: np.ndarray
    value: int
    extentIjk: Sequence[int]
    matrix: Matrix


def segmentLayer(segmentationNode: Any, segmentID: str) -> Optional[Layer]:
    """Return the label map of a segment, None when it has none."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    labelmap = segment.GetRepresentation(name)
    scalars = labelmap.GetPointData().GetScalars() if labelmap is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        return None
    columns, rows, slices = labelmap.GetDimensions()
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    voxels = vtk_to_numpy(scalars).reshape(slices, rows, columns)
    return Layer(voxels, segment.GetLabelValue(), labelmap.GetExtent(), matrixRows(matrix))


def readSegment(segmentationNode: Any, segmentID: str) -> Tuple[np.ndarray, List[int], Matrix]:
    """Return a segment as ``(K, J, I)`` booleans cropped to what is drawn, its extent, and its voxels' place.

    An empty segment gives an array without voxels and an empty list.
    """
    layer = segmentLayer(segmentationNode, segmentID)
    drawn = layer.voxels == layer.value if layer is not None else None
    box = drawnBox(drawn) if drawn is not None else None
    if layer is None or drawn is None or box is None:
        return np.zeros((0, 0, 0), dtype=bool), [], []
    starts = layer.extentIjk[4::-2]
    ends = [(start + part.start, start + part.stop - 1) for start, part in zip(starts, box)]
    return drawn[box], [value for pair in reversed(ends) for value in pair], layer.matrix


def readSegmentInVolume(segmentationNode: Any, segmentID: str, volumeNode: Any) -> Tuple[np.ndarray, List[int]]:
    """Return a segment as ``(K, J, I)`` booleans cropped to what is drawn, and its extent in a volume's voxels.

    Segments that do not lie on the volume's voxels are resampled, which takes a moment for a large volume.
    """
    drawn, extent, matrix = readSegment(segmentationNode, segmentID)
    sameTransform = segmentationNode.GetTransformNodeID() == volumeNode.GetTransformNodeID()
    offset = gridOffset(matrix, matrixRows(ijkToRas(volumeNode))) if extent and sameTransform else None
    if offset is not None:
        placed = [value + offset[number // 2] for number, value in enumerate(extent)]
        shape = volumeNode.GetImageData().GetDimensions()
        if all(placed[2 * axis] >= 0 and placed[2 * axis + 1] < shape[axis] for axis in range(3)):
            return drawn, placed
    elif not extent and segmentationNode.GetSegmentation().GetNumberOfLayers():
        return drawn, []
    whole = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode).astype(bool)
    box = drawnBox(whole)
    if box is None:
        return np.zeros((0, 0, 0), dtype=bool), []
    return whole[box], [value for part in reversed(box) for value in (part.start, part.stop - 1)]


def gridOffset(matrix: Matrix, reference: Optional[Matrix]) -> Optional[Triple]:
    """Return how many voxels (i, j, k) one voxel grid is shifted against another; None: the grids do not agree."""
    if reference is None:
        return None
    shift = np.linalg.inv(np.array(reference)) @ np.array(matrix)
    offset = np.rint(shift[:3, 3])
    shift[:3, 3] -= offset
    if np.abs(shift - np.eye(4)).max() > GRID_TOLERANCE:
        return None
    return tuple(int(value) for value in offset)


def referenceMatrix(segmentationNode: Any) -> Optional[Matrix]:
    """Return the place of the voxels of a segmentation's reference geometry, None when it has none."""
    converter = slicer.vtkSegmentationConverter
    segmentation = segmentationNode.GetSegmentation()
    text = segmentation.GetConversionParameter(converter.GetReferenceImageGeometryParameterName())
    matrix = vtk.vtkMatrix4x4()
    if not text or not converter.DeserializeImageGeometry(text, matrix, [0] * 6):
        return None
    return matrixRows(matrix)


def referenceVolume(segmentationNode: Any) -> Any:
    """Return the volume that a segmentation was drawn on, None when it is not in the scene."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentationNode.GetNodeReference(role)


def drawnBox(drawn: np.ndarray) -> Optional[Tuple[slice, slice, slice]]:
    """Return the box around the True voxels, or None; along k first, which makes the rest small."""
    box: List[slice] = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        hits = np.flatnonzero(drawn[tuple(box)].any(axis=others))
        if hits.size == 0:
            return None
        box.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return box[0], box[1], box[2]


def segmentRevision(segmentationNode: Any, segmentID: str) -> Tuple[Any, ...]:
    """Return a value that changes whenever the voxels of a segment may have changed."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    labelmap = segment.GetRepresentation(name)
    return (segment.GetLabelValue(), labelmap.GetMTime() if labelmap is not None else 0)
