"""The project section as a person clicks it, with a worker that answers at once or badly."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qt
import slicer

from VQSegUI.CaseNodes import caseOf, projectValue, rememberCase
from VQSegUI.Parameters import parameterNode
from VQSegUI.ProjectState import PROJECT_KEY
from VQSegUI.Proposal import segmentIDs
from VQSegUI.QueuePart import ANNOTATOR_KEY
from VQSegUI.SegmentBridge import referenceVolume

PROJECT = "/projects/mine"


@pytest.fixture
def open_project(panel: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Open the panel with a project; the project button is clicked."""

    def open_it(volume: Any = None, path: str = PROJECT, *options: str, **environment: str) -> Any:
        opened = panel(*options, **environment)
        if volume is not None:
            opened.open(volume)
        opened.projectCollapsibleButton.collapsed = False
        monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: path)
        opened.openProjectButton.click()
        wait_until(lambda: opened.widget.project.isOpen())
        return opened

    return open_it


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answer questions; the list collects what was asked."""
    asked: list[str] = []

    def answer(yes: bool) -> list[str]:
        def confirm(text: str, **_options: Any) -> bool:
            asked.append(text)
            return yes

        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", confirm)
        return asked

    return answer


def queue(opened: Any, wait_until: Any) -> str:
    """Click Accept and queue, wait for the end and return what is said."""
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text and opened.queueButton.text != "Cancel")
    return opened.projectStatusLabel.text


def start_queue(opened: Any, wait_until: Any) -> None:
    wait_until(lambda: opened.queueButton.enabled)
    opened.projectStatusLabel.text = ""
    opened.queueButton.click()


def cases(opened: Any, wait_until: Any) -> list[dict[str, Any]]:
    """Return the cases the worker holds."""
    found: list[Any] = []
    opened.engine.request("cases/list", {"project": opened.widget.project.path}).succeeded.connect(
        lambda answer: found.append(answer["cases"])
    )
    wait_until(lambda: found)
    return list(found[0])


def held(opened: Any, wait_until: Any) -> int:
    """Return how many scans the worker holds."""
    found: list[Any] = []
    opened.engine.request("volumes/count").succeeded.connect(lambda answer: found.append(answer["count"]))
    wait_until(lambda: found)
    return int(found[0])


def list_cases(opened: Any, wait_until: Any, rows: int) -> None:
    """Unfold the table and wait until it is filled."""
    opened.casesCollapsibleButton.collapsed = False
    last = rows - 1
    wait_until(lambda: opened.casesTable.rowCount == rows and opened.casesTable.item(last, 6) is not None)


def kill(opened: Any) -> None:
    os.kill(opened.engine.processID(), getattr(signal, "SIGKILL", signal.SIGTERM))


def test_the_state_of_the_project_is_one_line(open_project: Any, wait_until: Any) -> None:
    opened = open_project(None, "/projects/full damaged repaired model")

    line = opened.projectLabel.text
    assert line.startswith(
        "full damaged repaired model: 2 queued, 0 trained, 1 without labels, 0 excluded; 1 held out."
    )
    assert "Model in use: model-1." in line
    assert "1 damaged cases" in line
    assert "One unfinished case was taken back." in line
    assert "case-9: Its label map is damaged." in opened.projectLabel.toolTip
    assert "One unfinished case" in opened.logText.toPlainText()
    wait_until(lambda: opened.refreshProjectButton.enabled)


def test_a_folder_without_a_project_is_told_and_the_open_one_stays(
    open_project: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_project()
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: "/projects/missing")

    opened.openProjectButton.click()
    wait_until(lambda: "There is no project in '/projects/missing'" in opened.projectLabel.text)

    assert "mine: 0 queued" in opened.projectLabel.text


def test_a_project_is_made_with_the_structures_of_a_model_or_a_segmentation(
    panel: Any, make_volume: Any, wait_until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.projectCollapsibleButton.collapsed = False
    assert not opened.projectFrame.isVisible()
    opened.newProjectButton.click()
    assert opened.newLabelsComboBox.currentText == "Model Thresholds"
    opened.createProjectButton.click()
    assert "Choose a folder for the new project." in opened.projectLabel.text
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "new"), ""))
    opened.newPathButton.click()
    opened.createProjectButton.click()
    wait_until(lambda: opened.projectFrame.isVisible())

    assert [label["name"] for label in labels_of(opened)] == ["Dense", "Airy", "Nowhere"]
    assert not opened.newProjectFrame.isVisible()
    opened.segment()
    opened.decide("acceptAllButton")
    opened.targetSelector.currentNode().GetSegmentation().GetNthSegment(0).SetName("Bone")
    opened.newProjectButton.click()
    assert opened.newLabelsComboBox.itemText(0) == "Segments of Doe^Jane CT segmentation"
    opened.newLabelsComboBox.setCurrentIndex(0)
    opened.newPathLineEdit.text = "/projects/second"
    opened.createProjectButton.click()
    wait_until(lambda: opened.widget.project.path == "/projects/second")
    assert [(label["name"], label["value"]) for label in labels_of(opened)] == [
        ("Bone", 2),
        ("Airy", 5),
        ("Nowhere", 7),
    ]


def labels_of(opened: Any) -> list[dict[str, Any]]:
    return list(opened.widget.project.information["labels"]["labels"])


def test_one_click_accepts_and_queues(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    volume = make_volume()
    opened = open_project(volume)
    assert not opened.queueButton.enabled
    assert opened.queueButton.toolTip == "Segment the scan first, or choose a segmentation."
    opened.segment()
    opened.annotatorLineEdit.text = "me"
    opened.annotatorLineEdit.editingFinished.emit()
    opened.wholeCheckBox.checked = True

    said = queue(opened, wait_until)

    assert said == "Stored as 'case-1', revision 1. Used for training: labeled patient 1; every fifth is held out."
    mine = opened.queueSelector.currentNode()
    assert [caseOf(node, PROJECT) for node in (volume, mine)] == ["case-1", "case-1"]
    values = [projectValue(mine.GetSegmentation().GetSegment(each), PROJECT) for each in segmentIDs(mine)]
    assert values == [3, 4]
    assert slicer.app.settings().value(ANNOTATOR_KEY) == "me"
    wait_until(lambda: "mine: 1 queued" in opened.projectLabel.text)
    assert not opened.wholeCheckBox.checked


def test_nothing_is_queued_that_nobody_reviewed(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume())
    opened.segment()

    assert queue(opened, wait_until).startswith("No slice was reviewed yet")
    assert cases(opened, wait_until) == []
    assert opened.queueSelector.currentNode().GetSegmentation().GetNumberOfSegments() == 2


def test_two_scans_of_a_patient_stay_one_patient(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patients = [hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), name) for name in ("Doe", "Roe")]
    opened = open_project()
    said = []
    for number, patient in enumerate((patients[0], patients[0], patients[1])):
        volume = make_volume(np.full((4, 6, 8), 900 + number, np.int16), name=f"CT {number}")
        hierarchy.CreateItem(hierarchy.CreateStudyItem(patient, "Study"), volume)
        opened.inputSelector.setCurrentNode(volume)
        wait_until(lambda: opened.segmentButton.enabled)
        opened.segment()
        said.append(opened.patientComboBox.currentText)
        opened.wholeCheckBox.checked = True
        queue(opened, wait_until)
        assert not opened.patientComboBox.enabled  # it is a case now, of whom it is

    assert said == ["New to the project", "The patient of 'CT 0' (case-1)", "New to the project"]
    assert opened.patientComboBox.currentText == "The patient of 'case-3'"
    assert [case["patient_id"] for case in cases(opened, wait_until)] == ["patient-1", "patient-1", "patient-3"]


def test_a_person_may_say_whose_scan_it_is(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume())
    opened.segment()
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)
    opened.inputSelector.setCurrentNode(make_volume(np.full((4, 6, 8), 900, np.int16), name="Later CT"))
    opened.segment()
    assert opened.patientComboBox.currentText == "New to the project"
    opened.patientComboBox.setCurrentIndex(opened.patientComboBox.findData("case-1"))
    list_cases(opened, wait_until, 1)
    rememberCase(make_volume(name="Opened meanwhile"), PROJECT, "case-9")
    opened.refreshProjectButton.click()
    wait_until(lambda: opened.patientComboBox.findData("case-9") >= 0)
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)

    assert [case["patient_id"] for case in cases(opened, wait_until)] == ["patient-1", "patient-1"]


def test_another_segmentation_chosen_while_the_proposal_is_accepted_is_not_queued(
    open_project: Any, make_volume: Any, wait_until: Any
) -> None:
    opened = open_project(make_volume())
    opened.segment()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other")
    other.SetReferenceImageGeometryParameterFromVolumeNode(make_volume(name="Next patient"))
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)
    opened.queueSelector.setCurrentNode(other)
    wait_until(lambda: opened.projectStatusLabel.text)

    assert opened.projectStatusLabel.text == "Another segmentation was chosen meanwhile, so nothing was queued."
    assert cases(opened, wait_until) == []


def test_a_tick_holds_for_one_segmentation_only(open_project: Any, make_volume: Any) -> None:
    opened = open_project(make_volume())
    opened.wholeCheckBox.checked = True
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other")

    opened.queueSelector.setCurrentNode(other)

    assert not opened.wholeCheckBox.checked


@pytest.mark.parametrize("yes", [True, False])
def test_a_scan_that_is_labeled_already_is_asked_about(
    open_project: Any, make_volume: Any, wait_until: Any, answers: Any, yes: bool
) -> None:
    opened = open_project(make_volume())
    opened.segment()
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)
    again = make_volume(name="The same scan from its file")
    opened.inputSelector.setCurrentNode(again)
    opened.queueSelector.setCurrentNode(None)
    opened.segment()
    opened.wholeCheckBox.checked = True

    asked = answers(yes)
    said = queue(opened, wait_until)

    assert asked == ["It is revision. Store your labels as the next revision of that case?"]
    assert said.startswith("Stored as 'case-1', revision 2." if yes else "Not queued; nothing was changed.")
    assert [case["revision"] for case in cases(opened, wait_until)] == [2 if yes else 1]
    assert caseOf(again, PROJECT) == ("case-1" if yes else "")


def test_a_structure_that_the_project_does_not_know_is_added_when_wanted(
    open_project: Any, make_volume: Any, wait_until: Any, answers: Any, edit: Any
) -> None:
    volume = make_volume()
    opened = open_project(volume)
    opened.segment()
    opened.decide("acceptAllButton")
    mine = opened.queueSelector.currentNode()
    tumor = mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor", [0.0, 0.0, 1.0])
    mine.GetSegmentation().AddEmptySegment("Nothing", "Nothing")
    box = np.zeros((12, 20, 30), bool)
    box[0, :3, :3] = True
    edit(mine, tumor, volume, box)

    asked = answers(False)
    assert queue(opened, wait_until).startswith("Not queued; rename or remove segments")
    assert asked == ["'Tumor': not in the label table of the project. Add to the table and go on?"]
    answers(True)
    assert queue(opened, wait_until).startswith("Stored as 'case-1'")

    assert projectValue(mine.GetSegmentation().GetSegment(tumor), PROJECT) == 5
    wait_until(lambda: [label["name"] for label in labels_of(opened)] == ["Dense", "Airy", "Tumor"])
    assert labels_of(opened)[-1]["color"] == [0, 0, 255]


def test_a_refusal_is_one_sentence_and_nothing_is_lost(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    volume = make_volume()
    opened = open_project(volume, "/projects/refusing")
    opened.segment()
    opened.wholeCheckBox.checked = True

    assert queue(opened, wait_until) == "The disk of the project is full; free some space."
    assert caseOf(volume, "/projects/refusing") == ""
    assert opened.queueSelector.currentNode().GetSegmentation().GetNumberOfSegments() == 2


def test_queueing_is_cancelled(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume(), "/projects/busy")
    opened.segment()
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")

    opened.queueButton.click()
    wait_until(lambda: "Stopped as asked" in opened.projectStatusLabel.text)

    assert cases(opened, wait_until) == []


def test_the_next_scan_is_segmented_while_this_one_is_stored(
    open_project: Any, make_volume: Any, wait_until: Any, answers: Any
) -> None:
    opened = open_project(make_volume(), "/projects/busy")
    opened.segment()
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)
    opened.inputSelector.setCurrentNode(make_volume(name="The same scan from its file"))
    opened.queueSelector.setCurrentNode(None)
    opened.segment()
    opened.wholeCheckBox.checked = True
    asked = answers(True)
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")

    another = make_volume(np.full((4, 6, 8), 900, np.int16), name="Next patient")
    opened.inputSelector.setCurrentNode(another)
    opened.queueSelector.setCurrentNode(None)
    opened.wholeCheckBox.checked = True
    assert opened.segmentButton.enabled
    opened.segment()
    opened.inputSelector.setCurrentNode(make_volume(np.full((4, 6, 8), 800, np.int16), name="The one after"))
    proposal = opened.segment()
    assert opened.queueButton.text == "Cancel"  # the scan before is being stored still

    assert referenceVolume(proposal) is opened.inputSelector.currentNode()
    # The engine holds the next scans now, and asks about the one before, which it must not have forgotten.
    wait_until(lambda: opened.projectStatusLabel.text.startswith("Stored as 'case-1', revision 2."))
    assert len(asked) == 1
    assert opened.wholeCheckBox.checked  # it was ticked for the next scan
    assert opened.logText.toPlainText().count(" opened ") == 4  # none was sent twice
    wait_until(lambda: held(opened, wait_until) == 2)


def test_a_ranking_makes_way_for_segment(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume(), "/projects/full busy")
    wait_until(lambda: opened.nextScansButton.enabled)
    opened.nextScansButton.click()
    wait_until(lambda: opened.nextScansStatusLabel.text == "Writing the case")
    assert opened.segmentButton.enabled

    assert opened.segment() is not None
    wait_until(lambda: "made way" in opened.nextScansStatusLabel.text)
    opened.nextScansButton.click()
    wait_until(lambda: opened.nextScansTable.rowCount == 1)


def test_a_case_is_opened_while_a_scan_is_segmented(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    scan = make_volume()
    opened = open_project(scan, "/projects/full", "--slow")
    list_cases(opened, wait_until, 3)
    opened.casesTable.selectRow(2)
    opened.segmentButton.click()
    wait_until(lambda: opened.statusLabel.text.startswith("Segmenting"))
    opened.openCaseButton.click()
    wait_until(lambda: "Opened 'case-1'" in opened.projectStatusLabel.text)
    assert opened.segmentButton.text == "Cancel"
    opened.wait_for_end()

    assert referenceVolume(slicer.mrmlScene.GetNodeByID(opened.parameters.proposalNodeID)) is scan
    assert held(opened, wait_until) == 2


def test_a_killed_engine_is_one_sentence_and_the_next_click_works(
    open_project: Any, make_volume: Any, wait_until: Any
) -> None:
    opened = open_project(make_volume(), "/projects/busy")
    opened.segment()
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")

    kill(opened)
    wait_until(lambda: "The engine stopped unexpectedly" in opened.projectStatusLabel.text)
    assert opened.projectStatusLabel.text.endswith("whether this one was stored; if not, queue it again.")

    opened.wholeCheckBox.checked = True
    assert queue(opened, wait_until).startswith("Stored as 'case-1', revision 1.")


def test_a_case_is_stored_although_slicer_quits(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    volume = make_volume()
    opened = open_project(volume, "/projects/busy")
    opened.segment()
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")

    opened.engine.stopNow()  # as when Slicer is about to quit: no event loop runs any more

    assert opened.projectStatusLabel.text.startswith("Stored as 'case-1'")
    assert caseOf(volume, "/projects/busy") == "case-1"
    assert opened.engine.state == "stopped"


def test_a_scene_that_is_closed_meanwhile_loses_nothing(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume(), "/projects/busy")
    opened.segment()
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")

    slicer.mrmlScene.Clear(0)
    later = make_volume(name="Next patient")  # may get the ID of the scan that is gone
    opened.widget.exit()
    wait_until(lambda: opened.projectStatusLabel.text.startswith("Stored as 'case-1'"))

    assert len(cases(opened, wait_until)) == 1
    assert caseOf(later, "/projects/busy") == ""


def test_a_segmentation_deleted_while_it_is_read_is_not_queued(
    open_project: Any, make_volume: Any, wait_until: Any
) -> None:
    volume = make_volume()
    opened = open_project(volume)
    opened.segment()
    opened.decide("acceptAllButton")
    opened.wholeCheckBox.checked = True
    start_queue(opened, wait_until)

    slicer.mrmlScene.RemoveNode(opened.queueSelector.currentNode())
    wait_until(lambda: "The segmentation was deleted meanwhile" in opened.projectStatusLabel.text)

    assert cases(opened, wait_until) == []


def test_the_case_is_remembered_through_a_saved_scene(
    open_project: Any, make_volume: Any, wait_until: Any, tmp_path: Path
) -> None:
    from test_story import save_scene

    opened = open_project(make_volume())
    opened.segment()
    opened.wholeCheckBox.checked = True
    queue(opened, wait_until)
    url = save_scene(tmp_path)
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.SetURL(url)
    assert slicer.mrmlScene.Connect()
    wait_until(lambda: opened.queueButton.enabled)

    assert opened.queueButton.toolTip.endswith("as the next revision of 'case-1'.")
    mine = opened.queueSelector.currentNode()
    mine.GetSegmentation().GetNthSegment(0).SetName("umbenannt")
    opened.wholeCheckBox.checked = True
    assert queue(opened, wait_until).startswith("Stored as 'case-1', revision 2.")


def test_the_table_says_state_side_and_why(open_project: Any, wait_until: Any) -> None:
    opened = open_project(None, "/projects/full")
    list_cases(opened, wait_until, 3)

    rows = [[opened.casesTable.item(row, column).text() for column in range(7)] for row in range(3)]
    assert rows == [
        ["case-3", "no labels", "", "none", "", "", "2026-01-04"],
        ["case-2", "queued", "held out", "rev. 2, 1 open", "all", "7", "2026-01-03"],
        ["case-1", "queued", "training", "rev. 1", "2/6", "7", "2026-01-02"],
    ]
    assert "every fifth labeled patient is" in opened.casesTable.item(1, 2).toolTip()
    assert opened.casesTable.item(1, 3).toolTip().endswith("not judged in this scan: Tumor.")
    opened.stateComboBox.setCurrentIndex(opened.stateComboBox.findData("unlabeled"))
    wait_until(lambda: opened.casesTable.rowCount == 1)


def test_a_case_opens_as_it_was_stored(open_project: Any, wait_until: Any, voxels: Any) -> None:
    opened = open_project(None, "/projects/full")
    list_cases(opened, wait_until, 3)
    opened.casesTable.selectRow(2)
    opened.openCaseButton.click()
    wait_until(lambda: "Opened 'case-1'" in opened.projectStatusLabel.text)

    volume, mine = opened.inputSelector.currentNode(), opened.queueSelector.currentNode()
    expected = np.random.default_rng(1).integers(-1000, 1000, (6, 12, 16))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), expected)
    drawn = np.zeros((6, 12, 16), bool)
    drawn[1:3, 6:9, 5:9] = True
    np.testing.assert_array_equal(voxels(mine, "Dense", volume), drawn)
    segment = mine.GetSegmentation().GetNthSegment(0)
    assert (segment.GetColor(), projectValue(segment, "/projects/full")) == ((1.0, 0.0, 0.0), 3)
    assert opened.reviewedLabel.text.startswith("2 of 6 slices reviewed")
    assert volume.GetDisplayNode().GetWindowLevelMin() == -160
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID() == volume.GetID()
    wait_until(lambda: opened.openCaseButton.enabled)
    opened.openCaseButton.click()
    assert opened.projectStatusLabel.text == "'case-1' was open already."
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 1
    # What was reviewed never gives way to a later proposal.
    opened.segment()
    opened.decide("acceptAllButton")
    np.testing.assert_array_equal(voxels(mine, "Dense", volume), drawn)


def test_an_opening_is_cancelled_or_loses_its_engine_and_leaves_nothing(open_project: Any, wait_until: Any) -> None:
    opened = open_project(None, "/projects/full busy")
    list_cases(opened, wait_until, 3)
    opened.casesTable.selectRow(2)
    for stop in (opened.openCaseButton.click, lambda: kill(opened)):
        wait_until(lambda: opened.openCaseButton.enabled)
        opened.openCaseButton.click()
        wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")
        stop()
        wait_until(lambda: opened.openCaseButton.text != "Cancel")
        assert "stopped" in opened.projectStatusLabel.text.lower()
        assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []
    wait_until(lambda: opened.openCaseButton.enabled)
    opened.openCaseButton.click()
    wait_until(lambda: opened.projectStatusLabel.text == "Writing the case")
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: "The scene was closed meanwhile" in opened.projectStatusLabel.text)
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_cases_are_excluded_included_and_removed(open_project: Any, wait_until: Any, answers: Any) -> None:
    opened = open_project(None, "/projects/full")
    list_cases(opened, wait_until, 3)
    assert not opened.excludeButton.enabled
    opened.casesTable.selectRow(2)
    opened.openCaseButton.click()
    wait_until(lambda: "Opened 'case-1'" in opened.projectStatusLabel.text)
    volume = opened.inputSelector.currentNode()
    opened.excludeButton.click()
    wait_until(lambda: opened.excludeButton.text == "Include")
    assert "1 excluded" in opened.projectLabel.text
    opened.excludeButton.click()
    wait_until(lambda: opened.excludeButton.text == "Exclude" and opened.excludeButton.enabled)

    asked = answers(False)
    opened.removeCaseButton.click()
    assert len(cases(opened, wait_until)) == 3
    answers(True)
    opened.removeCaseButton.click()
    wait_until(lambda: opened.casesTable.rowCount == 2)

    assert asked[0].startswith("Remove case-1 with all files")
    assert caseOf(volume, "/projects/full") == ""
    assert opened.backgroundStatusLabel.text == "Removed: case-1."


def test_cases_are_exported(open_project: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_project(None, "/projects/full")
    list_cases(opened, wait_until, 3)
    opened.formatComboBox.setCurrentIndex(opened.formatComboBox.findData("nnunet"))
    suggested: list[str] = []
    targets = ["", "/out/exists", "/out/Dataset500_VQSeg"]
    monkeypatch.setattr(
        qt.QFileDialog, "getSaveFileName", lambda _parent, _title, name: suggested.append(name) or (targets.pop(0), "")
    )
    opened.exportCasesButton.click()
    assert opened.exportCasesButton.text == "Export..."
    opened.exportCasesButton.click()
    wait_until(lambda: "That folder exists" in opened.backgroundStatusLabel.text)
    opened.casesTable.selectRow(0)
    opened.exportCasesButton.click()
    wait_until(lambda: "Exported 1 cases to 'Dataset500_VQSeg'" in opened.backgroundStatusLabel.text)

    assert suggested[0] == "Dataset500_VQSeg"
    assert "case-9: It has no labels." in opened.backgroundStatusLabel.text


def test_scans_are_added_in_the_background_and_ranked(
    open_project: Any, make_volume: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_project(make_volume(), "/projects/busy")
    assert opened.nextScansButton.toolTip == "The project holds no scan without labels; add some first."
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: "/scans")
    opened.addFolderButton.click()
    wait_until(lambda: opened.backgroundStatusLabel.text == "Writing the case")
    assert opened.segmentButton.enabled
    opened.addFolderButton.click()
    wait_until(lambda: "Stopped as asked" in opened.backgroundStatusLabel.text)

    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: (["/a/1.nii", "/a/bad.nii"], ""))
    opened.addFilesButton.click()
    wait_until(lambda: "Added 1 scans without labels." in opened.backgroundStatusLabel.text)
    assert "Not added: 1. bad.nii: It is no scan." in opened.backgroundStatusLabel.text
    wait_until(lambda: opened.nextScansButton.enabled)
    opened.nextScansButton.click()
    wait_until(lambda: opened.nextScansTable.rowCount == 1)

    assert opened.nextScansTable.item(0, 1).text().startswith("Unsure about Dense (fake)")
    wait_until(lambda: opened.segmentButton.enabled)
    opened.nextScansTable.cellClicked.emit(0, 1)
    wait_until(lambda: "Opened 'case-1', which has no labels yet" in opened.projectStatusLabel.text)
    assert opened.queueSelector.currentNode() is None


def test_segment_uses_the_model_in_use_in_the_project(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    path = "/projects/model"
    opened = open_project(make_volume(), path)
    wait_until(lambda: opened.modelComboBox.findData(path) >= 0)
    assert "in use in" in opened.modelComboBox.itemText(opened.modelComboBox.findData(path))
    opened.modelComboBox.setCurrentIndex(opened.modelComboBox.findData(path))

    proposal = opened.segment()

    assert proposal.GetAttribute("VQSeg.Model") == f"{path}/models/model-1.safetensors"
    assert opened.parameters.model == path
    kill(opened)
    wait_until(lambda: opened.engine.state != "ready")
    wait_until(lambda: opened.modelComboBox.findData(path) >= 0 and opened.segmentButton.enabled)
    assert opened.parameters.model == path


def test_the_model_of_the_project_stays_chosen_when_slicer_starts_again(
    panel: Any, make_volume: Any, wait_until: Any
) -> None:
    path = "/projects/model"
    slicer.app.settings().setValue(PROJECT_KEY, path)
    parameterNode(slicer.mrmlScene).SetParameter("model", path)

    opened = panel()
    opened.open(make_volume())

    wait_until(lambda: opened.modelComboBox.findData(path) >= 0)
    assert opened.parameters.model == path
    assert opened.segment().GetAttribute("VQSeg.Model") == f"{path}/models/model-1.safetensors"


def test_a_proposal_of_another_scan_is_not_mixed_in(open_project: Any, make_volume: Any, wait_until: Any) -> None:
    opened = open_project(make_volume())
    opened.segment()
    opened.decide("acceptAllButton")
    first = opened.queueSelector.currentNode()
    opened.inputSelector.setCurrentNode(make_volume(name="Next patient"))
    proposal = opened.segment()
    assert opened.queueSelector.currentNode() is None
    assert opened.queueButton.enabled

    opened.queueSelector.setCurrentNode(first)
    assert not opened.queueButton.enabled
    assert "belongs to another scan" in opened.queueButton.toolTip
    opened.acceptAllButton.click()
    wait_until(lambda: "was drawn on another scan" in opened.proposalLabel.text)
    assert segmentIDs(proposal) == ["Dense", "Airy"]
    opened.queueSelector.setCurrentNode(None)
    wait_until(lambda: opened.queueButton.enabled)


def test_back_at_an_earlier_scan_its_own_segmentation_is_gone_on_with(open_project: Any, make_volume: Any) -> None:
    scans = [make_volume(), make_volume(name="Next patient")]
    opened, mine = open_project(scans[0]), []
    for scan in scans:
        opened.inputSelector.setCurrentNode(scan)
        opened.segment()
        opened.decide("acceptAllButton")
        mine.append(opened.queueSelector.currentNode())
    contours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Clinical contours")
    contours.SetReferenceImageGeometryParameterFromVolumeNode(scans[0])
    opened.inputSelector.setCurrentNode(scans[0])
    opened.segment()

    assert [referenceVolume(node) for node in mine] == scans
    assert opened.queueSelector.currentNode() is mine[0]


def test_thousands_of_cases_do_not_block_the_window(open_project: Any, wait_until: Any, heartbeat: Any) -> None:
    opened = open_project(None, "/projects/large")
    beat = heartbeat(lambda: "listing")

    list_cases(opened, wait_until, 1000)

    assert beat.longest()[0] < 0.1


def test_without_a_scan_in_the_scene_there_is_nothing_to_queue(open_project: Any, make_volume: Any) -> None:
    volume = make_volume()
    opened = open_project(volume)
    opened.segment()
    opened.decide("acceptAllButton")
    assert referenceVolume(opened.queueSelector.currentNode()) is volume

    slicer.mrmlScene.RemoveNode(volume)
    opened.queueSelector.setCurrentNode(None)
    opened.queueSelector.setCurrentNode(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0])

    assert not opened.queueButton.enabled
    assert opened.queueButton.toolTip == "The scan of this segmentation is not in the scene."
