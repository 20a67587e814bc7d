"""Where the model is unsure: the button, the overlay in the slice views, the table and the way from place to place."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from VQSegUI import Uncertainty
from VQSegUI.SliceViews import voxelToWorld

START = "Show where the model is unsure"


def views() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def overlays(measure: str = "") -> list[Any]:
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if Uncertainty.measureOf(node) and measure in Uncertainty.measureOf(node)]


def affine(volume: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def in_scan(overlay: Any, volume: Any) -> np.ndarray:
    """Return an overlay's voxels at their place in the scan."""
    i, j, k = np.rint(np.linalg.inv(affine(volume)) @ affine(overlay)[:, 3])[:3].astype(int)
    part, whole = slicer.util.arrayFromVolume(overlay), np.zeros(slicer.util.arrayFromVolume(volume).shape, int)
    whole[k : k + part.shape[0], j : j + part.shape[1], i : i + part.shape[2]] = part
    return whole


def shown_colors(node: Any) -> np.ndarray:
    """Return what a slice view gets of a volume: red, green, blue, opacity of every voxel."""
    port = node.GetDisplayNode().GetOutputImageDataConnection()
    port.GetProducer().Update()
    return vtk_to_numpy(port.GetProducer().GetOutputDataObject(port.GetIndex()).GetPointData().GetScalars())


def cells(table: Any, column: int) -> list[str]:
    return [table.item(row, column).text() for row in range(table.rowCount)]


def shows(point: Any) -> list[bool]:
    """Return for every slice view whether a point in millimetres lies in the slice it shows."""
    planes = [node.GetSliceToRAS() for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")]
    normals = [np.array([plane.GetElement(row, 2) for row in range(3)]) for plane in planes]
    origins = [np.array([plane.GetElement(row, 3) for row in range(3)]) for plane in planes]
    return [bool(abs((point - origin) @ normal) < 1e-3) for origin, normal in zip(origins, normals, strict=True)]


@pytest.fixture
def find_unsure(wait_until: Callable[..., None]) -> Callable[[Any], None]:
    def click(opened: Any) -> None:
        opened.unsureButton.click()
        wait_until(lambda: opened.unsureButton.text == START)

    return click


@pytest.fixture
def make_opened(panel: Any, make_volume: Any) -> Callable[..., Any]:
    def make(*options: str) -> Any:
        opened = panel(*options)
        opened.volume = make_volume()
        opened.open(opened.volume)
        return opened

    return make


@pytest.fixture
def unsure(make_opened: Any, find_unsure: Any) -> Any:
    opened = make_opened()
    find_unsure(opened)
    return opened


def test_the_overlay_is_percent_at_its_place_beside_the_scan(unsure: Any) -> None:
    (overlay,) = overlays("entropy")
    scan = slicer.util.arrayFromVolume(unsure.volume)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

    np.testing.assert_array_equal(in_scan(overlay, unsure.volume), 50 * (scan > 500) + 100 * (scan < -500))
    assert overlay.GetName() == "Doe^Jane CT uncertainty"
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in (overlay, unsure.volume)}
    assert len(parents) == 1


def test_only_what_is_unsure_has_color_and_more_is_brighter(unsure: Any) -> None:
    assert unsure.unsureFrame.isVisibleTo(unsure.reviewContents)
    (overlay,) = overlays("entropy")

    colors, percent = shown_colors(overlay), slicer.util.arrayFromVolume(overlay).ravel()

    assert set(colors[percent == 0][:, 3]) == {0}
    assert set(colors[percent > 0][:, 3]) == {255}
    half, whole = colors[percent == 50][0], colors[percent == 100][0]
    assert (half[0], half[2]) == (255, 0)
    assert 0 < half[1] < whole[1]


def test_it_is_shown_over_the_scan_with_an_opacity_and_can_be_removed(unsure: Any) -> None:
    (overlay,) = overlays("entropy")
    assert {view.GetForegroundVolumeID() for view in views()} == {overlay.GetID()}
    assert {view.GetBackgroundVolumeID() for view in views()} == {unsure.volume.GetID()}
    assert {view.GetForegroundOpacity() for view in views()} == {0.5}

    unsure.opacitySlider.value = 20
    assert {view.GetForegroundOpacity() for view in views()} == {0.2}

    unsure.removeOverlayButton.click()
    assert overlays() == []
    assert {view.GetForegroundVolumeID() for view in views()} == {None}
    assert not unsure.unsureFrame.isVisible()


def test_disagreement_can_be_chosen(unsure: Any) -> None:
    unsure.measureComboBox.setCurrentIndex(1)

    (overlay,) = overlays("disagreement")
    assert {view.GetForegroundVolumeID() for view in views()} == {overlay.GetID()}
    assert slicer.util.arrayFromVolume(overlay).max() == 34
    assert unsure.unsureTable.rowCount == 2


def test_a_model_without_codes_has_entropy_only_and_says_so(make_opened: Any, find_unsure: Any) -> None:
    opened = make_opened("--plain")
    find_unsure(opened)

    opened.measureComboBox.setCurrentIndex(1)

    assert opened.measureComboBox.currentText == "Entropy"
    assert "only the entropy" in opened.reviewStatusLabel.text


def test_a_model_that_is_sure_everywhere_makes_no_overlay(make_opened: Any, find_unsure: Any) -> None:
    opened = make_opened("--sure")

    find_unsure(opened)

    assert overlays() == []
    assert opened.reviewStatusLabel.text == "The model is sure everywhere."


def test_the_table_names_structure_share_and_place(unsure: Any) -> None:
    assert cells(unsure.unsureTable, 0) == ["Airy", "Dense"]
    assert cells(unsure.unsureTable, 1) == ["100 %", "50 %"]
    assert cells(unsure.unsureTable, 2) == ["9 (S 57.0 mm)", "5 (S 45.0 mm)"]

    unsure.kindComboBox.setCurrentIndex(1)

    assert cells(unsure.unsureTable, 0) == ["Whole slice"] * 6
    assert cells(unsure.unsureTable, 2)[0] == "8 (S 54.0 mm)"


def test_a_second_run_takes_the_place_of_the_first(unsure: Any, find_unsure: Any) -> None:
    find_unsure(unsure)

    assert len(overlays()) == 2
    assert {view.GetForegroundVolumeID() for view in views()} == {overlays("entropy")[0].GetID()}
    assert "opened volume-2" not in unsure.logText.toPlainText()


@pytest.mark.parametrize("turned", [False, True], ids=["plain", "under a transform"])
def test_next_previous_and_a_click_lead_all_views_there(unsure: Any, turned: bool) -> None:
    if turned:
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        for row, values in enumerate([(0, -1, 0, 5), (1, 0, 0, 7), (0, 0, -1, 9)]):
            for column, value in enumerate(values):
                matrix.SetElement(row, column, value)
        transform.SetMatrixTransformToParent(matrix)
        unsure.volume.SetAndObserveTransformNodeID(transform.GetID())
    first, second = (20, 12, 9), (4, 5, 5)
    steps = [
        (unsure.nextButton.click, first),
        (unsure.nextButton.click, second),
        (unsure.nextButton.click, first),
        (unsure.previousButton.click, second),
        (lambda: unsure.unsureTable.cellClicked.emit(0, 0), first),
    ]
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    for act, ijk in steps:
        act()
        world = np.array(voxelToWorld(unsure.volume, ijk))
        if turned:
            i, j, k = ijk
            x, y, z = 10 + 1.5 * i, -20 + 2 * j, 30 + 3 * k
            np.testing.assert_allclose(world, (5 - y, 7 + x, 9 - z))
        assert shows(world) == [True] * 3
        np.testing.assert_allclose(crosshair.GetCrosshairRAS(), world)


def test_next_goes_on_from_where_the_person_is_although_other_things_change(unsure: Any) -> None:
    unsure.nextButton.click()
    unsure.widget._store.update(device="cpu")

    unsure.nextButton.click()

    assert unsure.unsureTable.currentRow() == 1


def test_it_turns_into_cancel_shows_progress_and_leaves_the_scene_alone(make_opened: Any, wait_until: Any) -> None:
    opened = make_opened("--slow")
    process_id, before = opened.engine.processID(), slicer.mrmlScene.GetNumberOfNodes()
    opened.unsureButton.click()
    wait_until(lambda: opened.reviewStatusLabel.text == "Perturbing, about 3 s left")
    assert opened.reviewProgressBar.value > 0
    assert not opened.segmentButton.enabled
    assert "other work" in opened.segmentButton.toolTip

    opened.unsureButton.click()
    wait_until(lambda: opened.unsureButton.text == START)

    assert opened.reviewStatusLabel.text == "Stopped as asked; nothing was changed."
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert opened.segmentButton.enabled
    assert opened.engine.processID() == process_id


def test_a_killed_engine_is_said_in_one_sentence_and_the_scene_is_unchanged(make_opened: Any, wait_until: Any) -> None:
    opened = make_opened("--slow")
    before = slicer.mrmlScene.GetNumberOfNodes()
    opened.unsureButton.click()
    wait_until(lambda: "Perturbing" in opened.reviewStatusLabel.text)

    os.kill(opened.engine.processID(), signal.SIGKILL)
    wait_until(lambda: opened.unsureButton.text == START)

    assert opened.reviewStatusLabel.text.startswith("The engine stopped unexpectedly")
    assert opened.reviewStatusLabel.text.count(".") == 1
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    wait_until(lambda: opened.engine.state == "ready")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda _opened: slicer.mrmlScene.Clear(0), "scene was closed"),
        (lambda opened: slicer.mrmlScene.RemoveNode(opened.volume), "scan was deleted"),
        (lambda opened: slicer.util.arrayFromVolumeModified(opened.volume), "was changed while"),
    ],
    ids=["scene closed", "scan deleted", "scan changed"],
)
def test_what_happens_to_the_scan_meanwhile_drops_the_result(
    make_opened: Any, wait_until: Any, act: Any, words: str
) -> None:
    opened = make_opened("--slow")
    opened.unsureButton.click()
    wait_until(lambda: "Perturbing" in opened.reviewStatusLabel.text)

    act(opened)
    wait_until(lambda: opened.unsureButton.text == START)

    assert words in opened.reviewStatusLabel.text
    assert overlays() == []


def test_quitting_meanwhile_ends_the_engine(make_opened: Any, wait_until: Any) -> None:
    opened = make_opened("--slow")
    process_id = opened.engine.processID()
    opened.unsureButton.click()
    wait_until(lambda: "Perturbing" in opened.reviewStatusLabel.text)

    opened.widget.cleanup()

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    opened.widget.cleanup = lambda: None  # the fixture would do it again


def test_an_older_engine_offers_neither_uncertainty_nor_refinement(make_opened: Any) -> None:
    opened = make_opened("--old")
    opened.segment()
    opened.reviewCollapsibleButton.collapsed = False

    assert not opened.unsureButton.isVisible()
    assert not opened.refineButton.isVisible()
    assert opened.exportButton.isVisible()
    assert "older than this module" in opened.reviewStatusLabel.text


def test_a_saved_scene_comes_back_with_overlay_and_table(unsure: Any, tmp_path: Any) -> None:
    for node in [*overlays(), unsure.volume]:
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(tmp_path / f"{node.GetID()}.nrrd"))
        assert node.GetStorageNode().WriteData(node)
    scene, url = slicer.mrmlScene, str(tmp_path / "Fall für später.mrml")
    scene.SetURL(url)
    assert scene.Commit()
    scene.Clear(0)
    assert unsure.unsureTable.rowCount == 0

    scene.SetURL(url)
    assert scene.Connect()

    assert cells(unsure.unsureTable, 0) == ["Airy", "Dense"]
    (overlay,) = overlays("entropy")
    assert set(shown_colors(overlay)[:, 3]) == {0, 255}
    unsure.nextButton.click()
    assert shows(np.array(voxelToWorld(unsure.inputSelector.currentNode(), (20, 12, 9)))) == [True] * 3


def test_opacity_and_what_is_remembered_are_kept_for_the_next_session(make_opened: Any) -> None:
    opened = make_opened()
    opened.opacitySlider.value = 80
    opened.rememberCheckBox.checked = False

    again = make_opened()

    assert again.opacitySlider.value == 80
    assert not again.rememberCheckBox.checked


def test_an_imported_scene_brings_its_choices_although_its_nodes_get_other_names(
    unsure: Any, make_volume: Any, tmp_path: Any
) -> None:
    unsure.segment()
    scene, url = slicer.mrmlScene, str(tmp_path / "Fall.mrml")
    classes = ("vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode")
    for node in [node for name in classes for node in slicer.util.getNodesByClass(name)]:
        node.AddDefaultStorageNode()
        suffix = ".seg.nrrd" if node.IsA("vtkMRMLSegmentationNode") else ".nrrd"
        node.GetStorageNode().SetFileName(str(tmp_path / (node.GetID() + suffix)))
        assert node.GetStorageNode().WriteData(node)
    scene.SetURL(url)
    assert scene.Commit()
    scene.Clear(0)
    other = make_volume(name="other")

    scene.SetURL(url)
    assert scene.Import()

    assert unsure.inputSelector.currentNode().GetName() == "Doe^Jane CT"
    assert unsure.inputSelector.currentNode() is not other
    assert unsure.reviewSelector.currentNode().GetName() == "Doe^Jane CT proposal"
    assert cells(unsure.unsureTable, 0) == ["Airy", "Dense"]
    assert overlays("entropy")[0].GetNodeReference("VQSegScan") is unsure.inputSelector.currentNode()
