"""Correcting: which slices count as reviewed, the embedded editor, and refinement; clicked and drawn by a person."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import slicer

from VQSegUI.Proposal import segmentIDs
from VQSegUI.ReviewMarks import correctedSlices, readMarks, reviewedSlices
from VQSegUI.SliceViews import voxelToWorld

SHAPE = (12, 20, 30)
REFINE = "Refine from my corrections"


def corrected(segmentation: Any) -> list[int]:
    """Return the slices that would be sent."""
    steps = correctedSlices(segmentation)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def nodes() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


def slice_node(name: str) -> Any:
    return slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")


def box(*parts: Any) -> np.ndarray:
    array = np.zeros(SHAPE, bool)
    array[parts] = True
    return array


@pytest.fixture
def make_proposed(panel: Any, make_volume: Any) -> Callable[..., Any]:
    def make(*options: str) -> Any:
        opened = panel(*options)
        opened.volume = make_volume()
        opened.open(opened.volume)
        opened.proposal = opened.segment()
        opened.reviewCollapsibleButton.collapsed = False
        return opened

    return make


@pytest.fixture
def proposed(make_proposed: Any) -> Any:
    return make_proposed()


@pytest.fixture
def accepted(proposed: Any) -> Any:
    proposed.decide("acceptAllButton")
    proposed.mine = proposed.targetSelector.currentNode()
    return proposed


@pytest.fixture
def show(wait_until: Any) -> Callable[..., None]:
    """Scroll the axial view to a slice and look at it for a while."""

    def scroll(volume: Any, k: int, seconds: float = 0.0) -> None:
        slice_node("Red").JumpSliceByOffsetting(*voxelToWorld(volume, (15, 10, k)))
        ends = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= ends)

    return scroll


@pytest.fixture
def settled(wait_until: Any) -> Callable[[Any], None]:
    """Wait until the panel has noticed what was edited."""

    def wait(opened: Any) -> None:
        edits = opened.widget._review._correct._edits
        wait_until(edits.isUpToDate)

    return wait


@pytest.fixture
def refine(wait_until: Any, settled: Any) -> Callable[[Any], Any]:
    def click(opened: Any) -> Any:
        settled(opened)
        opened.refineButton.click()
        wait_until(lambda: opened.refineButton.text == REFINE)
        return slicer.mrmlScene.GetNodeByID(opened.parameters.proposalNodeID)

    return click


def test_what_was_proposed_is_reviewed_then_what_it_was_accepted_into(proposed: Any, wait_until: Any) -> None:
    assert proposed.reviewSelector.currentNode() is proposed.proposal

    proposed.decide("acceptAllButton")
    assert proposed.reviewSelector.currentNode() is proposed.targetSelector.currentNode()

    proposed.undoButton.click()
    wait_until(lambda: proposed.reviewSelector.currentNode() is proposed.proposal)


def test_the_editor_edits_what_is_reviewed_on_its_scan(accepted: Any) -> None:
    editor = accepted.widget._review._correct.editor.widget

    assert editor.segmentationNode() is accepted.mine
    assert editor.sourceVolumeNode() is accepted.volume
    assert editor.mrmlSegmentEditorNode().GetSingletonTag() == "VQSeg"
    assert {"Paint", "Draw", "Erase", "Scissors", "Islands", "Smoothing"} <= set(editor._buttons)
    assert set(editor._buttons) <= set(editor.availableEffectNames())
    assert editor._shortcuts


def test_leaving_the_module_puts_tool_and_keys_down(accepted: Any) -> None:
    editor = accepted.widget._review._correct.editor.widget
    editor.setActiveEffectByName("Paint")

    accepted.widget.exit()

    assert editor.activeEffect() is None
    assert not editor._shortcuts
    accepted.widget.enter()
    assert editor._shortcuts


def test_the_editors_undo_takes_back_what_vqseg_wrote(proposed: Any, voxels: Any) -> None:
    proposed.decide("acceptAllButton")
    mine = proposed.targetSelector.currentNode()
    slicer.util.arrayFromVolume(proposed.volume)[0] = 1000
    slicer.util.arrayFromVolumeModified(proposed.volume)
    proposed.segment()
    proposed.reviewSelector.setCurrentNode(mine)
    proposed.decide("acceptAllButton")
    assert voxels(mine, "Dense", proposed.volume)[0].all()

    proposed.widget._review._correct.editor.widget.undo()

    assert not voxels(mine, "Dense", proposed.volume)[0].any()


def test_a_stroke_makes_its_slices_reviewed_and_undoing_it_takes_that_back(
    accepted: Any, edit: Any, settled: Any
) -> None:
    assert accepted.reviewedLabel.text == "0 of 12 slices reviewed (0 edited, 0 marked as right)."

    edit(accepted.mine, "Dense", accepted.volume, box(slice(0, 2), 0, 0))
    settled(accepted)
    assert accepted.reviewedLabel.text == "2 of 12 slices reviewed (2 edited, 0 marked as right)."
    assert reviewedSlices(accepted.mine) == [0, 1]

    edit(accepted.mine, "Dense", accepted.volume, box(slice(0, 2), 0, 0), erase=True)
    settled(accepted)
    assert accepted.reviewedLabel.text == "0 of 12 slices reviewed (0 edited, 0 marked as right)."


def test_erasing_a_whole_slice_counts_as_editing_it(accepted: Any, edit: Any) -> None:
    edit(accepted.mine, "Dense", accepted.volume, box(4), erase=True)

    assert corrected(accepted.mine) == [4]


def test_a_slice_that_stays_in_view_for_a_second_was_looked_at(
    accepted: Any, show: Any, settled: Any, wait_until: Any
) -> None:
    settled(accepted)
    for k in (3, 4, 5, 6, 5, 4):
        show(accepted.volume, k, seconds=0.3)
    assert reviewedSlices(accepted.mine) == []
    show(accepted.volume, 7)
    wait_until(lambda: accepted.reviewedLabel.text.startswith("1 of 12"))

    assert reviewedSlices(accepted.mine) == [7]


def test_a_slice_nobody_went_to_was_not_looked_at(accepted: Any, show: Any) -> None:
    accepted.widget.exit()
    show(accepted.volume, 6)
    accepted.widget.enter()
    show(accepted.volume, 6, seconds=1.5)

    assert reviewedSlices(accepted.mine) == []


@pytest.mark.parametrize("what", ["unchecked", "other module", "hidden", "sideways", "other scan"])
def test_what_cannot_be_seen_was_not_looked_at(accepted: Any, show: Any, make_volume: Any, what: str) -> None:
    if what == "unchecked":
        accepted.rememberCheckBox.checked = False
    elif what == "other module":
        accepted.widget.exit()
    elif what == "hidden":
        accepted.mine.GetDisplayNode().SetVisibility(False)
    elif what == "sideways":
        slice_node("Red").SetOrientation("Coronal")
    else:
        slicer.util.setSliceViewerLayers(background=make_volume(name="other"))
    show(accepted.volume, 6, seconds=1.5)
    slice_node("Red").SetOrientation("Axial")

    assert reviewedSlices(accepted.mine) == []


def test_a_slice_can_be_marked_as_right_and_the_mark_taken_off(
    accepted: Any, show: Any, edit: Any, settled: Any
) -> None:
    show(accepted.volume, 5, seconds=0.3)
    accepted.markButton.click()
    assert readMarks(accepted.mine).right == {5}
    assert corrected(accepted.mine) == [5]
    assert accepted.refineButton.enabled

    accepted.unmarkButton.click()
    assert reviewedSlices(accepted.mine) == []

    edit(accepted.mine, "Dense", accepted.volume, box(5, 0, 0))
    settled(accepted)
    assert reviewedSlices(accepted.mine) == []  # taken off by the person, however it changes
    accepted.markButton.click()
    assert reviewedSlices(accepted.mine) == [5]


def test_marking_an_empty_slice_reviews_it_but_teaches_nothing(accepted: Any, show: Any) -> None:
    show(accepted.volume, 0, seconds=0.3)
    accepted.markButton.click()

    assert reviewedSlices(accepted.mine) == [0]
    assert corrected(accepted.mine) == []
    assert accepted.reviewedLabel.text == "1 of 12 slices reviewed (0 edited, 1 marked as right)."


def test_the_table_ticks_what_is_reviewed(accepted: Any, wait_until: Any) -> None:
    accepted.unsureButton.click()
    wait_until(lambda: accepted.unsureTable.rowCount == 2)
    accepted.nextButton.click()
    wait_until(lambda: accepted.markButton.enabled)
    accepted.markButton.click()

    assert [accepted.unsureTable.item(row, 3).text() for row in range(2)] == ["✓", ""]


def test_marks_and_edits_survive_saving_and_loading(
    accepted: Any, edit: Any, show: Any, tmp_path: Any, settled: Any
) -> None:
    show(accepted.volume, 8, seconds=0.3)
    accepted.markButton.click()
    show(accepted.volume, 2, seconds=1.5)
    edit(accepted.mine, "Dense", accepted.volume, box(0, 0, 0))
    for node in [accepted.mine, accepted.volume]:
        node.AddDefaultStorageNode()
        suffix = ".nrrd" if node is accepted.volume else ".seg.nrrd"
        node.GetStorageNode().SetFileName(str(tmp_path / (node.GetID() + suffix)))
        assert node.GetStorageNode().WriteData(node)
    scene, url = slicer.mrmlScene, str(tmp_path / "Fall für später.mrml")
    scene.SetURL(url)
    assert scene.Commit()
    scene.Clear(0)
    assert not accepted.correctFrame.isVisible()

    scene.SetURL(url)
    assert scene.Connect()
    settled(accepted)

    loaded = accepted.reviewSelector.currentNode()
    assert loaded.GetName() == "Doe^Jane CT segmentation"
    assert reviewedSlices(loaded) == [0, 2, 8]
    assert accepted.reviewedLabel.text.startswith("3 of 12")
    assert accepted.widget._review._correct.editor.widget.segmentationNode() is loaded


def test_a_refinement_keeps_corrected_slices_and_is_accepted_over_the_edited_segment(
    accepted: Any, edit: Any, refine: Any, voxels: Any, wait_until: Any
) -> None:
    volume, mine = accepted.volume, accepted.mine
    edit(mine, "Dense", volume, box(4, slice(0, 3), slice(0, 3)))
    edit(mine, "Dense", volume, box(6), erase=True)
    drawn = voxels(mine, "Dense", volume)

    proposal = refine(accepted)

    scan = slicer.util.arrayFromVolume(volume)
    expected = np.roll(scan > 500, 1, axis=2)
    expected[[4, 6]] = drawn[[4, 6]]
    assert "as you drew them" in accepted.reviewStatusLabel.text
    np.testing.assert_array_equal(voxels(mine, "Dense", volume), drawn)  # nothing is written before it is accepted
    np.testing.assert_array_equal(voxels(proposal, "Dense", volume), expected)

    accepted.decide("acceptAllButton")
    np.testing.assert_array_equal(voxels(mine, "Dense", volume), expected)
    assert corrected(mine) == [4, 6]
    assert len(nodes()) == 1

    accepted.undoButton.click()
    wait_until(lambda: accepted.proposalLabel.text == "Taken back.")
    np.testing.assert_array_equal(voxels(mine, "Dense", volume), drawn)


def test_after_a_refinement_a_plain_segmentation_does_not_overwrite_the_corrections(
    accepted: Any, edit: Any, refine: Any, voxels: Any
) -> None:
    edit(accepted.mine, "Dense", accepted.volume, box(4, 0, 0))
    refine(accepted)
    accepted.decide("acceptAllButton")
    refined = voxels(accepted.mine, "Dense", accepted.volume)
    accepted.segment()

    accepted.decide("acceptAllButton")

    np.testing.assert_array_equal(voxels(accepted.mine, "Dense", accepted.volume), refined)
    assert "Left as they are, because a person edited or locked them: Dense" in accepted.proposalLabel.text


def test_corrected_slices_are_as_drawn_even_when_the_engine_answers_otherwise(
    make_proposed: Any, edit: Any, refine: Any, voxels: Any
) -> None:
    opened = make_proposed("--stubborn")
    edit(opened.proposal, "Dense", opened.volume, box(4, 0, 0))
    edit(opened.proposal, "Dense", opened.volume, box(11, 19, 29))
    drawn = voxels(opened.proposal, "Dense", opened.volume)

    proposal = refine(opened)

    found = voxels(proposal, "Dense", opened.volume)
    np.testing.assert_array_equal(found[[4, 11]], drawn[[4, 11]])
    assert proposal is not opened.proposal
    assert opened.proposal in nodes()


def test_a_segment_edited_after_the_question_is_not_replaced_by_the_answer(
    accepted: Any, edit: Any, refine: Any, voxels: Any
) -> None:
    edit(accepted.mine, "Dense", accepted.volume, box(4, 0, 0))
    refine(accepted)
    edit(accepted.mine, "Dense", accepted.volume, box(9, 0, 0))
    drawn = voxels(accepted.mine, "Dense", accepted.volume)

    accepted.decide("acceptAllButton")

    np.testing.assert_array_equal(voxels(accepted.mine, "Dense", accepted.volume), drawn)
    assert "Left as they are" in accepted.proposalLabel.text


def test_a_locked_segment_is_not_replaced_by_a_refinement(accepted: Any, edit: Any, refine: Any, voxels: Any) -> None:
    edit(accepted.mine, "Dense", accepted.volume, box(4, 0, 0))
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(accepted.mine.GetSegmentation().GetSegment("Dense"), logic.Completed)
    before = voxels(accepted.mine, "Dense", accepted.volume)
    refine(accepted)

    accepted.decide("acceptAllButton")

    np.testing.assert_array_equal(voxels(accepted.mine, "Dense", accepted.volume), before)


def test_what_the_model_does_not_know_is_left_out_and_said(accepted: Any, edit: Any, refine: Any, voxels: Any) -> None:
    accepted.mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor")
    edit(accepted.mine, "Tumor", accepted.volume, box(4, 0, 0))

    proposal = refine(accepted)

    assert "The model does not know Tumor" in accepted.reviewStatusLabel.text
    assert "Tumor" not in segmentIDs(proposal)
    assert voxels(accepted.mine, "Tumor", accepted.volume).sum() == 1


def test_accepting_changes_takes_the_mark_off_slices_that_look_different_now(accepted: Any, show: Any) -> None:
    show(accepted.volume, 5, seconds=0.3)
    accepted.markButton.click()
    show(accepted.volume, 9, seconds=0.3)
    accepted.markButton.click()
    slicer.util.arrayFromVolume(accepted.volume)[5, 0, 0] = 2000
    slicer.util.arrayFromVolumeModified(accepted.volume)
    accepted.segment()

    accepted.decide("acceptAllButton")

    assert readMarks(accepted.mine).right == {9}


def test_without_corrections_refine_says_what_to_do(accepted: Any) -> None:
    assert not accepted.refineButton.enabled
    assert accepted.refineButton.toolTip.startswith("Correct a slice first")


def test_a_segmentation_from_elsewhere_cannot_be_refined_but_exported(accepted: Any) -> None:
    foreign = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Foreign")
    foreign.SetReferenceImageGeometryParameterFromVolumeNode(accepted.volume)
    accepted.reviewSelector.setCurrentNode(foreign)

    assert not accepted.refineButton.enabled
    assert accepted.refineButton.toolTip == "Choose a segmentation that came from VQSeg."
    assert accepted.exportButton.enabled


@pytest.mark.parametrize("what", ["kill", "cancel", "segmentation", "scene"])
def test_a_refinement_that_is_interrupted_leaves_the_scene_as_it_was(
    make_proposed: Any, edit: Any, settled: Any, wait_until: Any, voxels: Any, what: str
) -> None:
    opened = make_proposed("--slow")
    opened.decide("acceptAllButton")
    mine = opened.targetSelector.currentNode()
    edit(mine, "Dense", opened.volume, box(4, 0, 0))
    settled(opened)
    drawn = voxels(mine, "Dense", opened.volume)
    before = [slicer.mrmlScene.GetNthNode(index).GetID() for index in range(slicer.mrmlScene.GetNumberOfNodes())]
    opened.refineButton.click()
    wait_until(lambda: "Learning" in opened.reviewStatusLabel.text)

    if what == "kill":
        os.kill(opened.engine.processID(), signal.SIGKILL)
    elif what == "cancel":
        opened.refineButton.click()
    elif what == "segmentation":
        slicer.mrmlScene.RemoveNode(mine)
    else:
        slicer.mrmlScene.Clear(0)
    wait_until(lambda: opened.refineButton.text == REFINE)

    said = {"kill": "stopped unexpectedly", "cancel": "Stopped", "segmentation": "deleted", "scene": "closed"}
    assert said[what] in opened.reviewStatusLabel.text
    if what in ("kill", "cancel"):
        assert opened.reviewStatusLabel.text.count(".") == 1
        after = [slicer.mrmlScene.GetNthNode(index).GetID() for index in range(slicer.mrmlScene.GetNumberOfNodes())]
        assert after == before
        np.testing.assert_array_equal(voxels(mine, "Dense", opened.volume), drawn)
        wait_until(lambda: opened.engine.state == "ready")
    else:
        assert nodes() == []
