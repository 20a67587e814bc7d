"""Turns volume nodes into arrays with geometry, as `SegmentBridge` does with segments; no other code does.

Arrays are ``(K, J, I)`` = (slice, row, column); ``affineIjkToRas`` maps voxel indices ``(i, j, k, 1)`` to millimetres
in RAS. An extent is ``[i0, i1, j0, j1, k0, k1]``, both ends included, as VTK has it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from VQSegUI.Problem import Problem

Matrix = List[List[float]]
Triple = Tuple[int, int, int]

ORTHOGONAL_TOLERANCE = 1e-3
"""Largest cosine between two axes of a scan that still counts as a right angle."""


@dataclass(frozen=True)
class Scan:
    """What is sent to the engine of a volume node; holds on to the voxels, not to the node.

    Attributes:
        nodeID: Volume node it was read from.
        array: Voxels ``(K, J, I)``, a view of the node's own.
        affineIjkToRas: Where the voxels lie in the patient.
        revision: Changes whenever voxels or geometry change.
        notes: What the person should know, one sentence each.
    """

    nodeID: str
    array: np.ndarray
    affineIjkToRas: Matrix
    revision: Tuple[Any, ...]
    notes: Tuple[str, ...] = ()


def readScan(volumeNode: Any) -> Scan:
    """Return the voxels and the place in the patient of a volume node.

    A linear parent transform counts: the scan lies where it is shown. One that bends, or that would leave the axes at
    other than right angles, is left out, and the result is placed under the same transform either way.

    Raises:
        Problem: The node holds no scan, or more than one value per voxel.
    """
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        raise Problem(_("The volume holds no voxels; load a scan and choose it as input volume."))
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        sentence = _(
            "The volume has {count} values per voxel, and only scans with one value per voxel can be segmented; "
            "choose another volume, or extract one component with the Vector to Scalar Volume module."
        )
        raise Problem(sentence.format(count=components))
    columns, rows, slices = image.GetDimensions()
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(slices, rows, columns)
    affine, notes = _affineInPatient(volumeNode)
    notes += _sequenceNotes(volumeNode)
    return Scan(volumeNode.GetID(), array, affine, scanRevision(volumeNode), tuple(notes))


def scanRevision(volumeNode: Any) -> Tuple[Any, ...]:
    """Return a value that changes whenever the voxels or the geometry of a volume node change."""
    image = volumeNode.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None:
        return ()
    # VTK counts modifications over all objects: no two arrays ever have the same time.
    return (scalars.GetMTime(), *image.GetDimensions(), *itertools.chain(*matrixRows(ijkToRas(volumeNode))))


def isSequenceFrame(volumeNode: Any) -> bool:
    """Return whether a volume node shows one frame of a sequence after the other."""
    return _sequenceBrowser(volumeNode) is not None


def roiBox(roiNode: Any, volumeNode: Any) -> Tuple[Triple, Triple]:
    """Return the smallest box of voxels ``(start, stop)``, stop excluded, both ``(K, J, I)``, around a markups ROI.

    Raises:
        Problem: The ROI does not touch the scan, or the scan lies under a transform that bends it.
    """
    affine = worldAffine(volumeNode)
    if affine is None:
        raise Problem(_("A transform bends the scan, so no ROI can be used; harden the transform, or choose no ROI."))
    objectToWorld, size, toIjk = roiNode.GetObjectToWorldMatrix(), roiNode.GetSize(), np.linalg.inv(np.array(affine))
    corners = []
    for signs in itertools.product((-0.5, 0.5), repeat=3):
        corner = [sign * length for sign, length in zip(signs, size)] + [1.0]
        corners.append((toIjk @ np.array(objectToWorld.MultiplyPoint(corner)))[:3])
    dimensions = np.array(volumeNode.GetImageData().GetDimensions())
    start = np.clip(np.floor(np.min(corners, axis=0) + 0.5), 0, dimensions).astype(int)
    stop = np.clip(np.ceil(np.max(corners, axis=0) + 0.5), 0, dimensions).astype(int)
    if (start >= stop).any():
        raise Problem(_("The ROI does not touch the scan; move it over the scan, or choose no ROI."))
    return tuple(int(value) for value in start[::-1]), tuple(int(value) for value in stop[::-1])


def placeBeside(node: Any, volumeNode: Any) -> None:
    """Put a node under the parent transform and into the subject hierarchy folder (study) of a volume."""
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(volumeNode)
    parent = hierarchy.GetItemParent(beside) if beside else hierarchy.GetSceneItemID()
    if item:
        hierarchy.SetItemParent(item, parent)
    else:
        hierarchy.CreateItem(parent, node)


def shownVolume() -> Optional[Any]:
    """Return the volume that the slice views show, or None."""
    nodeID = slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID()
    return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None


def worldAffine(volumeNode: Any) -> Optional[Matrix]:
    """Return voxel indices to world millimetres, or None under a transform that is not linear."""
    own, transform = ijkToRas(volumeNode), volumeNode.GetParentTransformNode()
    if transform is None:
        return matrixRows(own)
    if not transform.IsTransformToWorldLinear():
        return None
    toWorld, product = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(toWorld)
    vtk.vtkMatrix4x4.Multiply4x4(toWorld, own, product)
    return matrixRows(product)


def _affineInPatient(volumeNode: Any) -> Tuple[Matrix, List[str]]:
    """Return the matrix that is sent for a volume, and what to say about it."""
    own, transform = matrixRows(ijkToRas(volumeNode)), volumeNode.GetParentTransformNode()
    if transform is None:
        return own, []
    shown = worldAffine(volumeNode)
    if shown is None or not _hasRightAngles(shown):
        return own, [_("The scan's transform bends or shears it, so it was segmented as it was before the transform.")]
    return shown, []


def _hasRightAngles(affine: Matrix) -> bool:
    axes = np.array(affine)[:3, :3]
    axes = axes / np.linalg.norm(axes, axis=0)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() < ORTHOGONAL_TOLERANCE)


def _sequenceNotes(volumeNode: Any) -> List[str]:
    """Say which frame is segmented when the volume shows one of a sequence."""
    browser = _sequenceBrowser(volumeNode)
    if browser is None:
        return []
    sentence = _("The volume shows a sequence; only frame {frame} of {count}, the one shown, was segmented.")
    return [sentence.format(frame=browser.GetSelectedItemNumber() + 1, count=browser.GetNumberOfItems())]


def _sequenceBrowser(volumeNode: Any) -> Any:
    return slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(volumeNode)


def ijkToRas(volumeNode: Any) -> Any:
    """Return voxel indices to millimetres as VTK has it, parent transform left out."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return matrix


def matrixRows(matrix: Any) -> Matrix:
    """Return a VTK matrix as lists."""
    return [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
