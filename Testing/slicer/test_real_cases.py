"""From a segmented scan to a case of a project and back, with the real worker process and a real project folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

from VQSegLib.image_files import save_volume
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume
from VQSegUI.CaseNodes import caseOf
from VQSegUI.Engine import Engine
from VQSegUI.Logic import VQSegLogic
from VQSegUI.Proposal import createProposal
from VQSegUI.ReviewMarks import Marks, reviewedSlices, writeMarks
from VQSegUI.SceneBridge import readScan
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.Segments import labelName


@pytest.fixture
def logic(real_engine: Engine) -> VQSegLogic:
    return VQSegLogic(engine=real_engine)


@pytest.fixture
def project(tmp_path: Path, tiny_labels: Any) -> Project:
    return Project.create(tmp_path / "Projekt ä 1", tiny_labels)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, (6, 24, 32)).astype(np.int16)


def test_a_queued_scan_lies_in_the_project_voxel_by_voxel_and_comes_back(
    logic: VQSegLogic, project: Project, make_volume: Any, tiny_model: Path, edit: Any, voxels: Any
) -> None:
    ct = make_volume(noise(1))
    ct.SetIJKToRASDirections(-1, 0, 0, 0, 0.6, 0.8, 0, -0.8, 0.6)
    mine = logic.segment(ct, model=str(tiny_model), device="cpu", wait=True)
    painted = np.zeros((6, 24, 32), bool)
    painted[3, 4:9, 6:20] = True
    segmentation = mine.GetSegmentation()
    cord = segmentation.GetSegmentIdBySegmentName("Cord") or segmentation.AddEmptySegment("Cord", "Cord")
    edit(mine, cord, ct, painted)
    writeMarks(mine, Marks(right=frozenset({1})))
    expected = {
        name: voxels(mine, name, ct) for name in ("Cord", "Larynx") if segmentation.GetSegmentIdBySegmentName(name)
    }

    case = logic.queue(mine, str(project.path), annotatorID="Ärztin 1", wait=True)

    record = Project.open(project.path).case(case["case_id"])
    assert (record.state, record.labels[0].provenance.annotator_id) == ("queued", "Ärztin 1")
    assert record.labels[0].reviewed_slices == (1, 3)
    assert record.labels[0].provenance.model_id == "tiny"
    assert record.labels[0].provenance.started is not None
    image, label = project.load_image(case["case_id"]), project.load_label(case["case_id"])
    np.testing.assert_array_equal(image.array, slicer.util.arrayFromVolume(ct))
    np.testing.assert_allclose(image.affine_ijk_to_ras, readScan(ct).affineIjkToRas, atol=1e-4)
    np.testing.assert_allclose(label.affine_ijk_to_ras, image.affine_ijk_to_ras, atol=1e-4)
    for name, mask in expected.items():
        np.testing.assert_array_equal(label.array == {"Cord": 2, "Larynx": 5}[name], mask, err_msg=name)
    assert caseOf(ct, str(project.path)) == caseOf(mine, str(project.path)) == case["case_id"]

    slicer.mrmlScene.Clear(0)
    opened = logic.openCase(str(project.path), case["case_id"], wait=True)

    again = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0]
    assert referenceVolume(again) is opened
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(opened), image.array)
    np.testing.assert_allclose(readScan(opened).affineIjkToRas, image.affine_ijk_to_ras, atol=1e-4)
    for name, mask in expected.items():
        np.testing.assert_array_equal(voxels(again, name, opened), mask, err_msg=name)
    assert reviewedSlices(again) == [1, 3]


def test_values_stay_when_segments_are_renamed_reordered_deleted_and_drawn_again(
    logic: VQSegLogic, project: Project, make_volume: Any, edit: Any
) -> None:
    ct, path = make_volume(noise(7)), str(project.path)
    mine = createProposal(ct)
    boxes = np.zeros((3, 6, 24, 32), bool)
    boxes[0, 1:3, 2:9, 2:9], boxes[1, 2:5, 12:20, 12:20], boxes[2, 4, 1:3, 20:30] = True, True, True
    for name, box in zip(("Cord", "Larynx"), boxes, strict=False):
        edit(mine, mine.GetSegmentation().AddEmptySegment(name, name), ct, box)
    case = logic.queue(mine, path, isWhole=True, wait=True)["case_id"]
    expected = 2 * boxes[0] + 5 * boxes[1]
    np.testing.assert_array_equal(project.load_label(case).array, expected)

    slicer.mrmlScene.Clear(0)
    scan = logic.openCase(path, case, wait=True)
    again = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0]
    segmentation = again.GetSegmentation()
    cord, larynx = (segmentation.GetSegmentIdBySegmentName(name) for name in ("Cord", "Larynx"))
    segmentation.GetSegment(cord).SetName("Rückenmark")
    segmentation.RemoveSegment(larynx)
    drawn_again = segmentation.AddEmptySegment("", "larynx")
    edit(again, drawn_again, scan, boxes[1])
    segmentation.SetSegmentIndex(drawn_again, 0)
    copy = slicer.vtkSegment()
    copy.DeepCopy(segmentation.GetSegment(cord))
    copy.SetName("Tumor")
    segmentation.AddSegment(copy)
    edit(again, cord, scan, boxes[2])
    logic.queue(again, path, isWhole=True, confirm=lambda _question: True, wait=True)

    labels = project.labels.labels
    assert [(label.name, label.value) for label in labels] == [("Cord", 2), ("Larynx", 5), ("Tumor", labels[2].value)]
    expected[boxes[2]] = 2
    expected[boxes[0]] = labels[2].value  # the copy lies over the original, and the later segment counts
    np.testing.assert_array_equal(project.load_label(case).array, expected)


def test_the_panel_builds_a_data_set(
    real_engine: Engine,
    make_panel: Any,
    make_volume: Any,
    tiny_model: Path,
    edit: Any,
    wait_until: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """New project, queue, revise, reopen, exclude, next scan: every click of a person, every file checked."""
    opened = make_panel(real_engine)
    ct = make_volume(noise(2))
    opened.open(ct)
    opened.widget.addModelFile(str(tiny_model))
    wait_until(lambda: opened.parameters.model == str(tiny_model))
    opened.projectCollapsibleButton.collapsed = False
    opened.newProjectButton.click()
    opened.newPathLineEdit.text = str(tmp_path / "Daten ä")
    opened.createProjectButton.click()
    wait_until(lambda: "0 queued" in opened.projectLabel.text)

    opened.segment()
    opened.wholeCheckBox.checked = True
    opened.annotatorLineEdit.text = "me"
    queue(opened, wait_until)

    project = Project.open(tmp_path / "Daten ä")
    (record,) = project.cases()
    assert f"Stored as '{record.case_id}', revision 1. Used for training" in opened.projectStatusLabel.text
    assert (record.labels[0].reviewed_slices, record.labels[0].provenance.annotator_id) == (None, "me")
    assert record.labels[0].edits.voxels == 0
    wait_until(lambda: "1 queued" in opened.projectLabel.text)

    mine = opened.queueSelector.currentNode()
    painted = np.zeros((6, 24, 32), bool)
    painted[2, 3:8, 3:9] = True
    segmentation = mine.GetSegmentation()
    cord = segmentation.GetNthSegmentID(0)
    before = project.load_label(record.case_id).array
    segmentation.GetSegment(cord).SetName("umbenannt")
    edit(mine, cord, ct, painted)
    queue(opened, wait_until)
    (revised,) = Project.open(project.path).cases()
    assert (revised.case_id, len(revised.labels)) == (record.case_id, 2)
    after = project.load_label(record.case_id).array
    assert revised.labels[1].reviewed_slices == (2,)
    value = {"Cord": 2, "Larynx": 5}[labelName(segmentation.GetSegment(cord))]
    np.testing.assert_array_equal(after[painted], value)
    np.testing.assert_array_equal(np.delete(after, 2, axis=0), np.delete(before, 2, axis=0))

    slicer.mrmlScene.Clear(0)
    opened.casesCollapsibleButton.collapsed = False
    wait_until(lambda: opened.casesTable.rowCount == 1 and opened.casesTable.item(0, 0) is not None)
    opened.casesTable.selectRow(0)
    wait_until(lambda: opened.openCaseButton.enabled)
    opened.openCaseButton.click()
    wait_until(lambda: "correct it" in opened.projectStatusLabel.text)
    again = opened.queueSelector.currentNode()
    assert opened.inputSelector.currentNode() is referenceVolume(again)
    assert opened.reviewSelector.currentNode() is again
    queue(opened, wait_until)
    assert "this very label map" in opened.projectStatusLabel.text  # the very same label map is no new revision
    assert len(Project.open(project.path).cases()[0].labels) == 2

    opened.excludeButton.click()
    wait_until(lambda: "1 excluded" in opened.projectLabel.text)
    assert Project.open(project.path).cases()[0].state == "excluded"
    wait_until(lambda: opened.excludeButton.text == "Include")
    opened.excludeButton.click()
    wait_until(lambda: "1 queued" in opened.projectLabel.text)

    paths = []
    for seed in (5, 6):
        save_volume(tmp_path / f"{seed}.nii.gz", Volume(noise(seed), np.diag([1.0, 1, 3, 1])))
        paths.append(str(tmp_path / f"{seed}.nii.gz"))
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: (paths, ""))
    opened.addFilesButton.click()
    wait_until(lambda: "2 without labels" in opened.projectLabel.text)
    opened.modelComboBox.setCurrentIndex(opened.modelComboBox.findData(str(tiny_model)))
    opened.nextScansButton.click()
    wait_until(lambda: opened.nextScansTable.rowCount == 2, 60)
    chosen = opened.nextScansTable.item(0, 0).text()
    assert opened.nextScansTable.item(0, 1).text()
    opened.nextScansTable.cellClicked.emit(0, 0)
    wait_until(lambda: "no labels yet" in opened.projectStatusLabel.text)
    scan = opened.inputSelector.currentNode()
    assert caseOf(scan, str(project.path)) == chosen
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(scan), project.load_image(chosen).array)
    opened.segment()
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)
    assert f"Stored as '{chosen}', revision 1." in opened.projectStatusLabel.text
    assert len(Project.open(project.path).cases()) == 3


def queue(opened: Any, wait_until: Any) -> None:
    """Click Accept and queue and wait for the end."""
    wait_until(lambda: opened.queueButton.enabled)
    opened.projectStatusLabel.text = ""
    opened.queueButton.click()
    wait_until(lambda: opened.projectStatusLabel.text and opened.queueButton.text != "Cancel", 60)
