"""Choosing, clicking Segment, watching, cancelling; every test clicks real buttons and looks at real nodes."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest
import slicer
import vtk


def segmentation_nodes() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def test_the_shown_volume_and_the_first_usable_model_are_chosen(panel: Any, make_volume: Any) -> None:
    make_volume(name="another")
    shown = make_volume()
    opened = panel()

    opened.open(shown)

    assert opened.inputSelector.currentNode() is shown
    assert opened.modelComboBox.currentText == "Thresholds"
    assert "3 structures: Dense, Airy, Nowhere" in opened.modelCardLabel.text
    assert "Dice 0.87 on 4 validation scans" in opened.modelCardLabel.text
    assert opened.deviceComboBox.itemText(0) == "Automatic (Slow processor)"


def test_segment_gives_a_proposal_with_the_engines_voxels(panel: Any, make_volume: Any, voxels: Any) -> None:
    volume = make_volume()
    opened = panel()
    opened.open(volume)

    proposal = opened.segment()

    scan = slicer.util.arrayFromVolume(volume)
    np.testing.assert_array_equal(voxels(proposal, "Dense", volume), scan > 500)
    np.testing.assert_array_equal(voxels(proposal, "Airy", volume), scan < -500)
    assert "Not found in this scan: Nowhere." in opened.statusLabel.text
    assert "Memory was short" in opened.statusLabel.text


def test_progress_shows_stage_percent_and_seconds_left(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    opened.open(make_volume())

    opened.segmentButton.click()

    assert opened.segmentButton.text == "Cancel"
    assert opened.progressBar.isVisible()
    wait_until(lambda: opened.statusLabel.text == "Segmenting, about 3 s left")
    earlier = opened.progressBar.value
    wait_until(lambda: opened.progressBar.value > earlier)


def test_cancel_leaves_the_scene_as_it_was_and_the_engine_warm(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    opened.open(make_volume())
    process_id = opened.engine.processID()
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    opened.segmentButton.click()
    opened.wait_for_end()

    assert segmentation_nodes() == []
    assert opened.statusLabel.text == "Stopped as asked; nothing was changed."
    assert opened.segmentButton.enabled
    assert not opened.progressBar.isVisible()
    assert opened.engine.processID() == process_id


def test_cancel_also_works_before_the_engine_is_ready(panel: Any, make_volume: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.engine.stop()
    opened.widget.logic.engine.start()
    opened.segmentButton.click()

    assert not opened.segmentButton.enabled or opened.segmentButton.text == "Cancel"
    if opened.segmentButton.text == "Cancel":
        opened.segmentButton.click()
    opened.wait_for_end()

    assert segmentation_nodes() == []


def test_an_engine_that_does_not_hear_is_started_again(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow", "--deaf")
    opened.open(make_volume())
    opened.engine._cancelTimer.setInterval(200)
    process_id = opened.engine.processID()
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    opened.segmentButton.click()
    opened.wait_for_end()

    assert "started again" in opened.statusLabel.text
    wait_until(lambda: opened.engine.state == "ready")
    assert opened.engine.processID() not in (0, process_id)


def test_a_killed_engine_is_said_in_one_sentence_and_started_again(
    panel: Any, make_volume: Any, wait_until: Any
) -> None:
    opened = panel("--slow")
    volume = make_volume()
    opened.open(volume)
    process_id = opened.engine.processID()
    before = slicer.mrmlScene.GetNumberOfNodes()
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    os.kill(process_id, signal.SIGKILL)
    opened.wait_for_end()

    assert opened.statusLabel.text.startswith("The engine stopped unexpectedly")
    assert opened.statusLabel.text.count(".") == 1
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    wait_until(lambda: opened.engine.state == "ready")
    assert opened.engine.processID() != process_id
    opened.engine._source.options = ()
    opened.engine.restart()
    wait_until(lambda: opened.segmentButton.enabled)
    assert opened.segment() is not None


def test_the_engines_refusal_is_shown_and_its_detail_is_in_the_log(panel: Any, make_volume: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.widget._segment.models._insert({"id": "fails", "name": "Fails", "labels": [], "problem": None})
    opened.modelComboBox.setCurrentIndex(opened.modelComboBox.findData("fails"))

    assert opened.segment() is None

    assert opened.statusLabel.text == "The scan is no CT; choose a CT."
    assert "values 0..255" in opened.logText.toPlainText()


def test_a_damaged_model_says_why_it_cannot_be_used(panel: Any, make_volume: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.modelComboBox.setCurrentIndex(opened.modelComboBox.findData("broken"))

    assert "damaged" in opened.modelCardLabel.text
    opened.segmentButton.click()

    assert opened.statusLabel.text == "The file 'b.bin' is damaged; copy it again."


def test_without_a_volume_the_button_says_what_is_missing(panel: Any, wait_until: Any) -> None:
    opened = panel()
    opened.widget.enter()
    wait_until(lambda: opened.modelComboBox.count == 2)

    assert not opened.segmentButton.enabled
    assert opened.segmentButton.toolTip == "Choose an input volume."


def test_a_volume_with_three_values_per_voxel_is_refused(panel: Any, make_volume: Any) -> None:
    volume = make_volume()
    opened = panel()
    opened.open(volume)
    image = vtk.vtkImageData()
    image.SetDimensions(6, 5, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    volume.SetAndObserveImageData(image)

    opened.segmentButton.click()

    assert "3 values per voxel" in opened.statusLabel.text
    assert opened.segmentButton.text == "Segment"


def test_only_the_roi_is_segmented(panel: Any, make_volume: Any, voxels: Any) -> None:
    volume = make_volume()
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    roi.SetCenter(10.0 + 1.5 * 6, -20.0 + 2.0 * 7, 30.0 + 3.0 * 4)  # voxel i=6, j=7, k=4
    roi.SetSize(1.5 * 2, 2.0 * 2, 3.0 * 2)
    opened = panel()
    opened.open(volume)
    opened.roiSelector.setCurrentNode(roi)

    found = voxels(opened.segment(), "Dense", volume)

    hits = np.argwhere(found)
    assert hits.min(axis=0).tolist() == [3, 6, 5]
    assert hits.max(axis=0).tolist() == [5, 8, 7]


def test_a_roi_beside_the_scan_is_refused(panel: Any, make_volume: Any) -> None:
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    roi.SetCenter(5000.0, 0.0, 0.0)
    roi.SetSize(10.0, 10.0, 10.0)
    opened = panel()
    opened.open(make_volume())
    opened.roiSelector.setCurrentNode(roi)

    opened.segmentButton.click()

    assert "does not touch the scan" in opened.statusLabel.text


def test_deleting_the_scan_meanwhile_drops_the_result(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    volume = make_volume()
    opened.open(volume)
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    slicer.mrmlScene.RemoveNode(volume)
    opened.wait_for_end()

    assert "deleted" in opened.statusLabel.text
    assert segmentation_nodes() == []
    assert not opened.segmentButton.enabled


def test_closing_the_scene_meanwhile_drops_the_result(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    opened.open(make_volume())
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    slicer.mrmlScene.Clear(0)
    opened.wait_for_end()

    assert "scene was closed" in opened.statusLabel.text
    assert segmentation_nodes() == []
    assert opened.inputSelector.currentNode() is None


def test_changing_the_voxels_meanwhile_drops_the_result(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    volume = make_volume()
    opened.open(volume)
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    slicer.util.arrayFromVolume(volume)[:] = 0
    slicer.util.arrayFromVolumeModified(volume)
    opened.wait_for_end()

    assert "was changed while the engine worked on it" in opened.statusLabel.text
    assert segmentation_nodes() == []


def test_the_result_arrives_while_another_module_is_open(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    opened.open(make_volume())
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    opened.widget.exit()
    opened.wait_for_end()

    assert len(segmentation_nodes()) == 1


def test_quitting_meanwhile_ends_the_engine(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--slow")
    opened.open(make_volume())
    process_id = opened.engine.processID()
    opened.segmentButton.click()
    wait_until(lambda: "Segmenting" in opened.statusLabel.text)

    opened.widget.cleanup()

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    opened.widget.cleanup = lambda: None  # the fixture would do it again


def test_a_second_segment_does_not_send_the_scan_again(panel: Any, make_volume: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.segment()
    opened.segment()

    assert opened.logText.toPlainText().count("opened volume-") == 1


def test_a_changed_scan_is_sent_again(panel: Any, make_volume: Any, voxels: Any) -> None:
    opened = panel()
    volume = make_volume()
    opened.open(volume)
    opened.segment()
    slicer.util.arrayFromVolume(volume)[0] = 2000
    slicer.util.arrayFromVolumeModified(volume)

    found = voxels(opened.segment(), "Dense", volume)

    assert found[0].all()


def test_a_second_proposal_takes_the_place_of_an_untouched_one(panel: Any, make_volume: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    opened.segment()
    second = opened.segment()

    assert segmentation_nodes() == [second]
    assert second.GetName() == "Doe^Jane CT proposal"


def test_an_edited_proposal_stays_beside_the_new_one(panel: Any, make_volume: Any, voxels: Any, edit: Any) -> None:
    opened = panel()
    volume = make_volume()
    opened.open(volume)
    first = opened.segment()
    box = np.zeros((12, 20, 30), bool)
    box[0, 0, 0] = True
    edit(first, "Dense", volume, box)

    second = opened.segment()

    assert len(segmentation_nodes()) == 2
    assert voxels(first, "Dense", volume)[0, 0, 0]
    assert not voxels(second, "Dense", volume)[0, 0, 0]
    assert "was edited, so it stays" in opened.statusLabel.text


def test_a_model_file_is_added_and_chosen_and_remembered(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel()
    opened.open(make_volume())
    path = "/models/Größe und Form/neck.safetensors"

    opened.widget.addModelFile(path)
    wait_until(lambda: opened.modelComboBox.currentText == "From file")

    assert opened.parameters.model == path
    opened.engine.restart()
    wait_until(lambda: opened.modelComboBox.findData(path) >= 0)


def test_a_model_file_that_is_none_says_so(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel()
    opened.open(make_volume())

    opened.widget.addModelFile("/missing.safetensors")

    wait_until(lambda: "There is no model '/missing.safetensors'" in opened.statusLabel.text)


def test_another_computer_gets_no_scan_without_consent(
    panel: Any, make_volume: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: bool(asked.append(text)))
    opened = panel(FAKE_HOST="gpu01")
    opened.open(make_volume())

    assert opened.segment() is None

    assert len(asked) == 1
    assert "'gpu01'" in asked[0]
    assert opened.statusLabel.text == "The scan was not sent."
    assert "opened volume-" not in opened.logText.toPlainText()


def test_with_consent_another_computer_segments(panel: Any, make_volume: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def agree(_text: str, dontShowAgainSettingsKey: str, **_: Any) -> bool:  # noqa: N803 - Slicer's name
        keys.append(dontShowAgainSettingsKey)
        return True

    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", agree)
    opened = panel(FAKE_HOST="gpu01")
    opened.open(make_volume())

    assert opened.segment() is not None
    assert keys == ["VQSeg/SendScansTo/gpu01"]
