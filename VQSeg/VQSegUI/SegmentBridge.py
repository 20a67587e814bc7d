"""Turns segments into arrays with geometry, and back; arrays, extents and matrices are those of `SceneBridge`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generator, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from VQSegUI.SceneBridge import Matrix, Triple, ijkToRas, matrixRows
from VQSegUI.Steps import finish

Crop = Tuple[np.ndarray, List[int]]
"""uint8 ``(K, J, I)`` of 0 and 1, and its extent; an empty one where nothing is drawn."""
NOTHING: Crop = (np.zeros((0, 0, 0), np.uint8), [])
SLICES_PER_STEP = 32
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


def segmentParts(segmentationNode: Any, segmentID: str, volumeNode: Any) -> Iterator[Crop]:
    """Yield a segment in pieces of a few slices, in a volume's voxels.

    A segment that does not lie on the volume's voxels is resampled and comes in one piece, which takes a moment.
    """
    layer = segmentLayer(segmentationNode, segmentID)
    if layer is None and segmentationNode.GetSegmentation().GetNumberOfLayers():
        return
    offset = _offsetInVolume(layer, segmentationNode, volumeNode) if layer is not None else None
    if layer is None or offset is None:
        whole = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode)
        yield from _cropped(whole != 0, (0, 0, 0))
        return
    for start in range(0, len(layer.voxels), SLICES_PER_STEP):
        drawn = layer.voxels[start : start + SLICES_PER_STEP] == layer.value
        firstI, firstJ, firstK = (layer.extentIjk[2 * axis] + offset[axis] for axis in range(3))
        yield from _cropped(drawn, (firstI, firstJ, firstK + start))


def joinCrops(crops: Iterable[Crop]) -> Crop:
    """Return crops as one; crops of nothing are left out."""
    return finish(joinCropSteps(crops))


def joinCropSteps(crops: Iterable[Crop]) -> Generator[None, None, Crop]:
    """Return crops as one, one per step; as `joinCrops`."""
    drawn = [(mask, extent) for mask, extent in crops if extent]
    if not drawn:
        return NOTHING
    ends = list(zip(*[extent for _mask, extent in drawn]))
    box = [(min if number % 2 == 0 else max)(values) for number, values in enumerate(ends)]
    joined = np.zeros([box[2 * axis + 1] - box[2 * axis] + 1 for axis in (2, 1, 0)], np.uint8)
    for mask, extent in drawn:
        first = [extent[2 * axis] - box[2 * axis] for axis in (2, 1, 0)]
        part = joined[tuple(slice(start, start + side) for start, side in zip(first, mask.shape))]
        np.maximum(part, mask, out=part)
        yield
    return joined, box


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


def _offsetInVolume(layer: Layer, segmentationNode: Any, volumeNode: Any) -> Optional[Triple]:
    """Return how a label map is shifted in a volume's voxels; None: it lies on others, or reaches beyond them."""
    if segmentationNode.GetTransformNodeID() != volumeNode.GetTransformNodeID():
        return None
    offset, shape = (
        gridOffset(layer.matrix, matrixRows(ijkToRas(volumeNode))),
        volumeNode.GetImageData().GetDimensions(),
    )
    if offset is None:
        return None
    starts = [layer.extentIjk[2 * axis] + offset[axis] for axis in range(3)]
    stops = [layer.extentIjk[2 * axis + 1] + offset[axis] for axis in range(3)]
    isInside = min(starts) >= 0 and all(stop < side for stop, side in zip(stops, shape))
    return offset if isInside else None


def _cropped(drawn: np.ndarray, firstIjk: Triple) -> Iterator[Crop]:
    """Yield what is drawn, unless that is nothing."""
    box = drawnBox(drawn)
    if box is not None:
        starts, stops = [part.start for part in reversed(box)], [part.stop - 1 for part in reversed(box)]
        ends = [(first + start, first + stop) for first, start, stop in zip(firstIjk, starts, stops)]
        yield drawn[box].astype(np.uint8), [value for pair in ends for value in pair]


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
