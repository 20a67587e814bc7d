"""Models of a project in the panel: the shelf, the comparison, promotion, and two models on one scan."""

from __future__ import annotations

from typing import Any

import pytest
import qt
import slicer

from VQSegUI.CompareView import LEFT, RIGHT
from VQSegUI.Comparison import caseRows, describeComparison, labelRows

PROJECT = "/data/Köpfe mit model"


@pytest.fixture(autouse=True)
def quick_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask about a run fifty times a second."""
    monkeypatch.setattr("VQSegUI.RunWatch.POLL_MILLISECONDS", 20)


@pytest.fixture
def trained(panel: Any, make_volume: Any, wait_until: Any) -> Any:
    """Open a project in a new panel with a scan, and train a second model, which the project does not use yet."""

    def train(*options: str) -> Any:
        opened = panel(*options)
        opened.volume = make_volume()
        opened.open(opened.volume)
        opened.trainingCollapsibleButton.collapsed = opened.modelsCollapsibleButton.collapsed = False
        opened.widget.project.open(PROJECT)
        wait_until(lambda: opened.startRunButton.enabled)
        opened.promotesCheckBox.checked = False
        opened.startRunButton.click()
        wait_until(lambda: opened.modelsTable.rowCount == 2)
        wait_until(lambda: opened.promoteButton.enabled)
        return opened

    return train


def row(table: Any, number: int) -> list[str]:
    return [table.item(number, column).text() for column in range(table.columnCount)]


def slice_node(name: str) -> Any:
    return slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}")


def proposals() -> list[Any]:
    return list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))


def layout() -> int:
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()


def test_the_shelf_lists_the_models_and_selects_the_new_one(trained: Any) -> None:
    opened = trained()

    assert row(opened.modelsTable, 0) == ["weak", "-", "-", "-", "-", "✓"]
    assert row(opened.modelsTable, 1) == ["weak 2", "weak", "8", "0.803", "4.9", ""]
    assert [model["id"] for model in opened.widget._models._shelfPart.chosen()] == ["model-2"]


def test_the_comparison_of_a_run_is_shown_in_words_and_tables(trained: Any) -> None:
    opened = trained()

    assert opened.comparisonFrame.isVisible()
    text = opened.comparisonLabel.text
    assert "Not worse: &#x27;weak 2&#x27; compared with &#x27;weak&#x27;" in text
    assert "favours it" in text
    assert row(opened.labelsComparisonTable, 0) == [
        *("Mean", "0.712 → 0.803", "+0.091 (+0.040 … +0.142)", "6.2 → 4.9"),
    ]
    assert row(opened.labelsComparisonTable, 2) == ["Airy (missed 1 → 0)", "0.712 → 0.803", "+0.091", "- → -"]
    assert row(opened.casesComparisonTable, 0) == ["case-a", "0.700 → 0.800", "900 → 700", "412 (old model's)"]
    assert row(opened.casesComparisonTable, 1) == ["case-b", "0.720 → -", "800 → 650", "-"]


def test_a_comparison_without_held_out_scans_has_no_figures() -> None:
    nothing = dict.fromkeys(("old", "new", "difference", "low", "high"))
    figures = {"patients": 0, "dice": nothing, "hd95_mm": nothing, "labels": [], "cases": []}
    models = {"old": {"name": "<a>"}, "new": {"name": "b"}}
    comparison = {**models, "verdict": "undecided", "sentence": "You decide.", "notes": [], "figures": figures}

    assert labelRows(comparison) == [["Mean", "- → -", "-", "- → -"]]
    assert caseRows(comparison) == []
    assert describeComparison(comparison).startswith("<b>Your decision: &#x27;b&#x27; compared with &#x27;&lt;a&gt;")


def test_promote_and_roll_back_change_what_segment_uses(trained: Any, wait_until: Any) -> None:
    opened = trained()
    opened.promoteButton.click()
    wait_until(lambda: opened.modelsTable.item(1, 5).text() == "✓")
    assert "It is in use now." in opened.modelsStatusLabel.text
    assert opened.parameters.model == PROJECT
    wait_until(lambda: opened.modelComboBox.currentText == "weak 2 (in use in Köpfe mit model)")
    assert not opened.promoteButton.enabled  # it is in use

    opened.rollBackButton.click()
    wait_until(lambda: opened.modelComboBox.currentText == "weak (in use in Köpfe mit model)")
    assert opened.modelsTable.item(0, 5).text() == "✓"
    assert "Rolled back; in use now: weak." in opened.modelsStatusLabel.text
    assert not opened.rollBackButton.enabled


def test_the_model_in_use_is_compared_with_the_one_before(trained: Any, wait_until: Any) -> None:
    opened = trained()
    opened.modelsTable.selectRow(0)
    assert not opened.compareButton.enabled  # nothing was in use before
    opened.modelsTable.selectRow(1)
    opened.promoteButton.click()
    wait_until(lambda: opened.modelsTable.item(1, 5).text() == "✓")
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())

    assert opened.keepLabel.text == "Left: Doe^Jane CT: weak. Right: Doe^Jane CT: weak 2."


def test_a_worse_model_is_promoted_only_with_a_reason(trained: Any, wait_until: Any) -> None:
    opened = trained("--worse")
    opened.promoteButton.click()
    wait_until(lambda: opened.reasonFrame.isVisible())
    assert "Not promoted. Mean Dice 0.712 before and 0.640 after" in opened.modelsStatusLabel.text
    assert not opened.promoteAnywayButton.enabled
    opened.reasonLineEdit.text = "  "
    assert not opened.promoteAnywayButton.enabled
    opened.reasonLineEdit.text = "It finds the small structure."
    opened.promoteAnywayButton.click()
    wait_until(lambda: opened.modelsTable.item(1, 5).text() == "✓")

    wait_until(lambda: opened.widget._shelf.history[-1]["rule"] == "It finds the small structure.")
    assert not opened.reasonFrame.isVisible()


def test_the_reason_belongs_to_the_model_that_was_refused(trained: Any, wait_until: Any) -> None:
    opened = trained("--worse")
    opened.promoteButton.click()
    wait_until(lambda: opened.reasonFrame.isVisible())
    opened.modelsTable.selectRow(0)

    assert not opened.reasonFrame.isVisible()


def test_two_selected_models_are_compared_on_the_held_out_scans(trained: Any, wait_until: Any) -> None:
    opened = trained("--undecided")
    opened.modelsTable.selectAll()
    assert opened.compareButton.enabled
    assert not opened.promoteButton.enabled
    assert not opened.exportModelButton.enabled
    opened.compareButton.click()
    wait_until(lambda: "Your decision" in opened.comparisonLabel.text)


def test_a_model_file_is_exported(trained: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = trained()
    chosen = ["", "/data/full/a.safetensors", "/data/a.safetensors"]
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *_: chosen.pop(0))
    opened.exportModelButton.click()
    assert opened.modelsStatusLabel.text == ""
    opened.exportModelButton.click()
    wait_until(lambda: "The disk is full" in opened.modelsStatusLabel.text)
    opened.exportModelButton.click()
    wait_until(lambda: opened.modelsStatusLabel.text == "Written to /data/a.safetensors.")


def test_two_models_on_this_scan_stand_side_by_side(trained: Any, wait_until: Any, voxels: Any) -> None:
    opened = trained()
    before = layout()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())

    left, right = proposals()
    names = [node.GetName() for node in (left, right)]
    assert names == ["Doe^Jane CT: weak", "Doe^Jane CT: weak 2"]
    assert opened.keepLabel.text == "Left: Doe^Jane CT: weak. Right: Doe^Jane CT: weak 2."
    for node in (left, right):
        assert voxels(node, "Dense", opened.volume).sum() == 160
    assert layout() == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    shown = [
        [node.GetDisplayNode().IsDisplayableInView(slice_node(name).GetID()) for name in (LEFT, RIGHT)]
        for node in (left, right)
    ]
    assert shown == [[True, False], [False, True]]
    assert slice_node(RIGHT).GetOrientation() == "Axial"
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {each.GetBackgroundVolumeID() for each in composites} == {opened.volume.GetID()}

    opened.keepRightButton.click()
    assert proposals() == [right]
    assert opened.parameters.proposalNodeID == right.GetID()
    assert layout() == before
    assert slice_node(RIGHT).GetOrientation() == "Sagittal"
    assert right.GetDisplayNode().IsDisplayableInView(slice_node(LEFT).GetID())
    assert not opened.keepFrame.isVisible()


def test_what_a_person_edited_survives_keeping_the_other(trained: Any, wait_until: Any, edit: Any, voxels: Any) -> None:
    opened = trained()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    left, right = proposals()
    box = voxels(left, "Dense", opened.volume) * False
    box[0, 0, 0] = True
    edit(left, "Dense", opened.volume, box)
    opened.keepRightButton.click()

    assert proposals() == [left, right]


def test_other_segmentations_are_hidden_while_two_are_compared(trained: Any, wait_until: Any) -> None:
    opened = trained()
    opened.segment()
    opened.decide("acceptAllButton")
    mine = opened.targetSelector.currentNode()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    assert not mine.GetDisplayNode().GetVisibility()
    opened.keepBothButton.click()

    assert mine.GetDisplayNode().GetVisibility()
    assert len(proposals()) == 3


def test_accepting_one_of_the_two_ends_the_comparison(trained: Any, wait_until: Any) -> None:
    opened = trained()
    before = layout()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    opened.decide("acceptAllButton")

    assert layout() == before
    assert not opened.keepFrame.isVisible()


def test_a_compared_proposal_that_was_deleted_cannot_be_kept(trained: Any, wait_until: Any) -> None:
    opened = trained()
    before = layout()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    left, right = proposals()
    slicer.mrmlScene.RemoveNode(left)
    opened.keepLeftButton.click()

    assert proposals() == [right]
    assert layout() == before
    assert right.GetDisplayNode().IsDisplayableInView(slice_node(LEFT).GetID())


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_cancelling_a_comparison_leaves_no_proposal(trained: Any, wait_until: Any, share: float) -> None:
    opened = trained("--slow")
    opened.compareScanButton.click()
    assert not opened.segmentButton.enabled  # one long piece of work at a time
    wait_until(lambda: opened.modelsProgressBar.value >= 100 * share)
    opened.compareScanButton.click()
    wait_until(lambda: opened.compareScanButton.text == "Compare on this scan")

    assert proposals() == []
    assert not opened.keepFrame.isVisible()


def test_a_scene_closed_during_a_comparison_leaves_the_views_as_they_were(trained: Any, wait_until: Any) -> None:
    opened = trained()
    before = layout()
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    slicer.mrmlScene.Clear(0)

    assert layout() == before
    assert slice_node(RIGHT).GetOrientation() == "Sagittal"
    assert not opened.keepFrame.isVisible()


def test_a_scan_deleted_between_the_two_models_ends_the_work(trained: Any, wait_until: Any) -> None:
    opened = trained("--slow")
    opened.compareScanButton.click()
    wait_until(lambda: opened.modelsProgressBar.value >= 55)
    slicer.mrmlScene.RemoveNode(opened.volume)
    wait_until(lambda: "deleted meanwhile" in opened.modelsStatusLabel.text)

    assert not opened.keepFrame.isVisible()


def test_a_scene_closed_while_two_models_work_ends_the_work(trained: Any, wait_until: Any) -> None:
    opened = trained("--slow")
    before = layout()
    opened.compareScanButton.click()
    wait_until(lambda: opened.modelsProgressBar.value >= 55)
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: "scene was closed meanwhile" in opened.modelsStatusLabel.text)

    assert proposals() == []
    assert layout() == before


def test_the_project_model_that_was_chosen_is_still_chosen_after_a_restart(
    panel: Any, trained: Any, wait_until: Any
) -> None:
    first = trained()
    first.modelComboBox.setCurrentIndex(first.modelComboBox.findText("weak (in use in Köpfe mit model)"))
    first.widget.cleanup()
    first.widget.cleanup = lambda: None
    second = panel()
    second.open(first.volume)
    assert second.parameters.model == PROJECT
    wait_until(lambda: second.modelComboBox.currentText == "weak (in use in Köpfe mit model)")


def test_segments_model_can_be_taken_into_the_project(trained: Any, wait_until: Any) -> None:
    opened = trained()
    opened.modelComboBox.setCurrentIndex(opened.modelComboBox.findData("fake"))
    opened.adoptButton.click()
    wait_until(lambda: opened.parameters.model == PROJECT)

    wait_until(lambda: opened.widget._shelf.history[-1]["model_id"] == "fake")
    assert not opened.adoptButton.enabled  # Segment uses the project's model now


def test_another_project_forgets_the_comparison_of_this_one(trained: Any) -> None:
    opened = trained()
    opened.widget.project.close()

    assert not opened.modelsCollapsibleButton.isVisible()
    assert opened.modelsTable.rowCount == 0
    assert opened.comparisonFrame.isHidden()
    assert opened.modelComboBox.findText("weak (in use in Köpfe mit model)") < 0
