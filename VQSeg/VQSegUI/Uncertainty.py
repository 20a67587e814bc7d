"""Uncertainty overlays: scalar volumes beside the scan that show in color where the model was unsure.

Voxels are percent. 100 is where the model cannot decide between two structures (entropy ln 2; more with three), or
where perturbing its codes moves the whole probability to another structure (disagreement).
"""

from __future__ import annotations

import math
from typing import Any, Dict, Generator, List, Sequence

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from VQSegUI.SceneBridge import ijkToRas, placeBeside

ENTROPY, DISAGREEMENT = "entropy", "disagreement"
WHOLE = {ENTROPY: math.log(2.0), DISAGREEMENT: 1.0}
"""What counts as 100 percent, in the engine's unit."""
MEASURE_ATTRIBUTE = "VQSeg.Uncertainty"
VOLUME_ROLE = "VQSegScan"
COLORS = "vtkMRMLColorTableNodefMRIPA"
"""Slicer's own red-to-yellow table, so that a saved scene has its colors wherever it is opened."""
LOWEST_SHOWN, HIGHEST_SHOWN = 10, 100
SLAB_BYTES = 1_000_000


def buildOverlay(
    volumeNode: Any, measure: str, uncertainty: Dict[str, Any], voxels: np.ndarray
) -> Generator[None, None, Any]:
    """Make an overlay, one slab per step; returns the node.

    Args:
        measure: `ENTROPY` or `DISAGREEMENT`.
        uncertainty: The engine's map: ``extent_ijk`` and ``step``, the value of one count.
        voxels: uint8 counts ``(K, J, I)`` of that extent.
    """
    percent = np.rint(np.arange(256) * (uncertainty["step"] / WHOLE[measure] * 100))
    percent = np.minimum(percent, 255).astype(np.uint8)
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(voxels.shape))
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    target = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(voxels.shape)
    slices = max(1, SLAB_BYTES // max(1, voxels[0].nbytes))
    for first in range(0, len(voxels), slices):
        np.take(percent, voxels[first : first + slices], out=target[first : first + slices], mode="clip")
        yield
    return _makeNode(volumeNode, measure, uncertainty["extent_ijk"], image)


def overlaysOf(volumeNode: Any) -> List[Any]:
    """Return the overlays of a scan."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if measureOf(node) and node.GetNodeReference(VOLUME_ROLE) is volumeNode]


def measureOf(node: Any) -> str:
    """Return what an overlay shows, empty for other nodes."""
    return node.GetAttribute(MEASURE_ATTRIBUTE) or "" if node is not None else ""


def showOverlay(node: Any, opacity: float) -> None:
    """Show an overlay over the scan in all slice views; None: the scan alone."""
    slicer.util.setSliceViewerLayers(foreground=node, foregroundOpacity=opacity)


def shownOverlay() -> Any:
    """Return the overlay that the slice views show, or None."""
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        nodeID = view.GetForegroundVolumeID()
        node = slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None
        if measureOf(node):
            return node
    return None


def renewColors() -> None:
    """Make overlays that came with a scene file transparent where the model was sure."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        if measureOf(node) and node.GetDisplayNode() is not None:
            # Slicer reads that there is a threshold but applies it only when it is set anew (seen in 5.12.4).
            node.GetDisplayNode().SetApplyThreshold(False)
            node.GetDisplayNode().SetApplyThreshold(True)


def removeOverlays(volumeNode: Any) -> None:
    """Remove a scan's overlays; the slice views show the scan alone when they showed one of them."""
    overlays = overlaysOf(volumeNode)
    if shownOverlay() in overlays:
        showOverlay(None, 0.0)
    for node in overlays:
        slicer.mrmlScene.RemoveNode(node)


def _makeNode(volumeNode: Any, measure: str, extentIjk: Sequence[int], image: Any) -> Any:
    scene = volumeNode.GetScene()
    names = {ENTROPY: _("{volume} uncertainty"), DISAGREEMENT: _("{volume} disagreement")}
    node = scene.AddNewNodeByClass(
        "vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(names[measure].format(volume=volumeNode.GetName()))
    )
    node.SetAttribute(MEASURE_ATTRIBUTE, measure)
    node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
    matrix = ijkToRas(volumeNode)
    origin = matrix.MultiplyPoint([*[float(extentIjk[2 * axis]) for axis in range(3)], 1.0])
    for axis in range(3):
        matrix.SetElement(axis, 3, origin[axis])
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    _setColors(node.GetDisplayNode())
    node.SetAndObserveImageData(image)
    placeBeside(node, volumeNode)
    return node


def _setColors(displayNode: Any) -> None:
    """Set colors and window once and for all: what is sure is transparent, and no level is guessed from the voxels."""
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevelMinMax(0, HIGHEST_SHOWN)
    displayNode.SetAutoThreshold(False)
    displayNode.SetThreshold(LOWEST_SHOWN, 255)
    displayNode.SetApplyThreshold(True)
    displayNode.SetAndObserveColorNodeID(COLORS)
    displayNode.SetInterpolate(False)
