"""The slice views: which slice of a scan each one shows, and how all of them get to a place."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

import numpy as np
import slicer

from VQSegUI.SceneBridge import ijkToRas, matrixRows, worldAffine

DIRECTIONS = ("RL", "AP", "SI")
LARGEST_TILT_COSINE = 0.99
"""A view shows slices of the scan when it looks along their normal, up to eight degrees."""


def voxelToWorld(volumeNode: Any, ijk: Sequence[int]) -> Sequence[float]:
    """Return where a voxel is shown, in millimetres in RAS; every kind of parent transform counts."""
    point = ijkToRas(volumeNode).MultiplyPoint([*[float(index) for index in ijk], 1.0])
    world = [0.0, 0.0, 0.0]
    volumeNode.TransformPointToWorld(point[:3], world)
    return world


def showVoxel(volumeNode: Any, ijk: Sequence[int]) -> None:
    """Let all slice views jump to a voxel, and put the crosshair there."""
    world = voxelToWorld(volumeNode, ijk)
    sliceNode = slicer.vtkMRMLSliceNode
    sliceNode.JumpAllSlices(slicer.mrmlScene, *world, sliceNode.CenteredJumpSlice)
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    if crosshair is not None:
        crosshair.SetCrosshairRAS(world)


def describeSlice(volumeNode: Any, ijk: Sequence[int]) -> str:
    """Return a slice along k as Slicer shows it: its index, and where it lies, for example ``34 (S 12.5 mm)``."""
    affine = worldAffine(volumeNode) or matrixRows(ijkToRas(volumeNode))
    across = np.abs(np.cross(*np.array(affine)[:3, :2].T))
    axis = int(across.argmax())
    place = voxelToWorld(volumeNode, ijk)[axis]
    letter = DIRECTIONS[axis][0 if place >= 0 else 1]
    return f"{ijk[2]} ({letter} {abs(place):.1f} mm)"


def shownSlices(volumeNode: Any, segmentationNode: Any) -> Dict[str, int]:
    """Return which slice along k of a scan each slice view shows; only views that show scan and segmentation."""
    affine = worldAffine(volumeNode)
    if affine is None:
        return {}
    shown = {}
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if sliceNode.IsMappedInLayout() and _shows(sliceNode, volumeNode) and _isDrawn(segmentationNode, sliceNode):
            k = _sliceIndex(sliceNode, np.array(affine))
            if k is not None and 0 <= k < volumeNode.GetImageData().GetDimensions()[2]:
                shown[sliceNode.GetID()] = k
    return shown


def _shows(sliceNode: Any, volumeNode: Any) -> bool:
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if view.GetLayoutName() == sliceNode.GetLayoutName():
            return view.GetBackgroundVolumeID() == volumeNode.GetID()
    return False


def _isDrawn(segmentationNode: Any, sliceNode: Any) -> bool:
    display = segmentationNode.GetDisplayNode()
    isDrawn = display is not None and (display.GetVisibility2DFill() or display.GetVisibility2DOutline())
    return bool(isDrawn and display.GetVisibility() and display.IsDisplayableInView(sliceNode.GetID()))


def _sliceIndex(sliceNode: Any, affine: np.ndarray) -> Optional[int]:
    """Return the scan's slice in a view, None when the view cuts across the slices."""
    place = sliceNode.GetSliceToRAS()
    normal = [place.GetElement(row, 2) for row in range(3)]
    across = np.cross(affine[:3, 0], affine[:3, 1])
    if abs(np.dot(normal, across)) < LARGEST_TILT_COSINE * np.linalg.norm(normal) * np.linalg.norm(across):
        return None
    center = np.linalg.inv(affine) @ [*[place.GetElement(row, 3) for row in range(3)], 1.0]
    return round(float(center[2]))
