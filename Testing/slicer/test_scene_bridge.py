"""Nodes to arrays and back: geometry, transforms, ROI, sequences, segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk

from VQSegUI import SceneBridge, SegmentBridge
from VQSegUI.Problem import Problem

OBLIQUE = np.array([[0.6, 0.0, 0.8], [0.8, 0.0, -0.6], [0.0, 1.0, 0.0]])


def put_under(volume: Any, matrix: np.ndarray) -> Any:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_a_bright_voxel_lies_where_slicer_shows_it(make_volume: Any) -> None:
    """An oblique, anisotropic phantom: index, matrix and array agree with Slicer's own functions."""
    array = np.zeros((4, 5, 6), np.float32)
    array[3, 1, 2] = 7.0
    volume = make_volume(array)
    volume.SetIJKToRASDirections(*OBLIQUE.ravel())

    scan = SceneBridge.readScan(volume)

    k, j, i = np.argwhere(scan.array == 7.0)[0]
    shown = [0.0, 0.0, 0.0, 1.0]
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    matrix.MultiplyPoint([float(i), float(j), float(k), 1.0], shown)
    np.testing.assert_allclose(np.array(scan.affineIjkToRas) @ [i, j, k, 1.0], shown)
    assert (scan.array.shape, scan.array.dtype) == ((4, 5, 6), np.float32)


def test_a_rigid_transform_moves_the_scan(make_volume: Any) -> None:
    volume = make_volume()
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = OBLIQUE, (1.0, 2.0, 3.0)
    put_under(volume, moved)

    affine = np.array(SceneBridge.readScan(volume).affineIjkToRas)

    own = slicer.util.arrayFromVTKMatrix(_matrix_of(volume))
    np.testing.assert_allclose(affine, moved @ own)


def test_a_shearing_transform_is_left_out_and_the_person_is_told(make_volume: Any) -> None:
    volume = make_volume()
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    put_under(volume, sheared)

    scan = SceneBridge.readScan(volume)

    np.testing.assert_allclose(scan.affineIjkToRas, slicer.util.arrayFromVTKMatrix(_matrix_of(volume)))
    assert "bends or shears" in scan.notes[0]


def test_a_bending_transform_is_left_out_and_no_roi_can_be_used(make_volume: Any) -> None:
    volume = make_volume()
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    volume.SetAndObserveTransformNodeID(bend.GetID())
    grid = vtk.vtkThinPlateSplineTransform()
    points = vtk.vtkPoints()
    for corner in ((0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9)):
        points.InsertNextPoint(*corner)
    grid.SetSourceLandmarks(points)
    grid.SetTargetLandmarks(points)
    bend.SetAndObserveTransformToParent(grid)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")

    assert "bends or shears" in SceneBridge.readScan(volume).notes[0]
    with pytest.raises(Problem, match="harden the transform"):
        SceneBridge.roiBox(roi, volume)


def test_a_volume_without_voxels_is_refused() -> None:
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")

    with pytest.raises(Problem, match="no voxels"):
        SceneBridge.readScan(empty)


def test_the_revision_changes_with_voxels_and_geometry_only(make_volume: Any) -> None:
    volume = make_volume()
    before = SceneBridge.scanRevision(volume)
    volume.SetName("renamed")
    volume.CreateDefaultDisplayNodes()
    assert SceneBridge.scanRevision(volume) == before

    slicer.util.arrayFromVolumeModified(volume)
    painted = SceneBridge.scanRevision(volume)
    volume.SetOrigin(0, 0, 1)

    assert len({before, painted, SceneBridge.scanRevision(volume)}) == 3


def test_one_frame_of_a_sequence_is_segmented_and_named(make_volume: Any) -> None:
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for number in range(3):
        frame = slicer.vtkMRMLScalarVolumeNode()
        image = vtk.vtkImageData()
        image.SetDimensions(6, 5, 4)
        image.AllocateScalars(vtk.VTK_SHORT, 1)
        image.GetPointData().GetScalars().Fill(number)
        frame.SetAndObserveImageData(image)
        sequence.SetDataNodeAtValue(frame, str(number))
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    logic = slicer.modules.sequences.logic()
    logic.UpdateProxyNodesFromSequences(browser)
    browser.SetSelectedItemNumber(1)
    logic.UpdateProxyNodesFromSequences(browser)
    shown = browser.GetProxyNode(sequence)

    scan = SceneBridge.readScan(shown)

    assert SceneBridge.isSequenceFrame(shown)
    assert scan.array.max() == 1
    assert "only frame 2 of 3" in scan.notes[0]
    assert not SceneBridge.isSequenceFrame(make_volume())


def test_a_rotated_roi_gives_the_box_of_voxels_around_it(make_volume: Any) -> None:
    volume = make_volume(np.zeros((40, 40, 40), np.int16))
    volume.SetSpacing(1.0, 1.0, 1.0)
    volume.SetOrigin(0.0, 0.0, 0.0)
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    turned = np.eye(4)
    turned[:2, :2] = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    turned[:3, 3] = (20.0, 20.0, 20.0)
    roi.SetSize(10.0, 10.0, 10.0)
    roi.SetAndObserveObjectToNodeMatrix(slicer.util.vtkMatrixFromArray(turned))

    start, stop = SceneBridge.roiBox(roi, volume)

    assert start == (15, 13, 13)
    assert stop == (26, 28, 28)


def test_a_segment_is_read_where_it_was_put(make_volume: Any) -> None:
    volume = make_volume()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segment = slicer.vtkSegment()
    array = np.zeros((3, 4, 5), np.uint8)
    array[1:, 2, 0:3] = 1
    segment.AddRepresentation("Binary labelmap", SegmentBridge.makeLabelmap(array, [2, 6, 3, 6, 4, 6], volume))
    node.GetSegmentation().AddSegment(segment, "A")

    drawn, extent, matrix = SegmentBridge.readSegment(node, "A")

    assert extent == [2, 4, 5, 5, 5, 6]
    assert drawn.shape == (2, 1, 3)
    assert drawn.all()
    np.testing.assert_allclose(matrix, slicer.util.arrayFromVTKMatrix(_matrix_of(volume)))


def test_an_empty_segment_has_no_voxels() -> None:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.GetSegmentation().AddEmptySegment("A", "A")

    drawn, extent, _matrix = SegmentBridge.readSegment(node, "A")

    assert (drawn.size, extent) == (0, [])


def _matrix_of(volume: Any) -> Any:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix
