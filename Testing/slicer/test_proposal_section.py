"""Accept all, accept some, reject, undo: through the buttons, looked at in the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer

from VQSegUI.Proposal import segmentIDs


def nodes() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")


@pytest.fixture
def proposed(panel: Any, make_volume: Any) -> Any:
    """A panel with a proposal, and its volume."""
    opened = panel()
    opened.volume = make_volume()
    opened.open(opened.volume)
    opened.proposal = opened.segment()
    return opened


def test_before_anything_is_proposed_nothing_can_be_clicked(panel: Any) -> None:
    opened = panel()

    names = ("acceptAllButton", "acceptSelectedButton", "rejectButton", "undoButton", "show3DButton")
    assert [getattr(opened, name).enabled for name in names] == [False] * 5
    assert opened.proposalCollapsibleButton.collapsed
    assert opened.proposalLabel.text == "No proposal yet."


def test_a_proposal_has_names_colors_terminology_geometry_and_lies_beside_the_scan(
    panel: Any, make_volume: Any
) -> None:
    volume = make_volume()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volume)
    opened = panel()
    opened.open(volume)

    proposal = opened.segment()

    assert proposal.GetName() == "Doe^Jane CT proposal"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(proposal)) == study
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    assert proposal.GetNodeReference(role) is volume
    segment = proposal.GetSegmentation().GetSegment("Dense")
    assert (segment.GetName(), segment.GetColor()) == ("Dense", (1.0, 0.0, 0.0))
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
    assert entry.GetCategoryObject().GetCodeValue() == "123037004"
    assert entry.GetTypeObject().GetCodeMeaning() == "Bone"
    undescribed = proposal.GetSegmentation().GetSegment("Airy")
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(undescribed.GetTerminology(), entry)
    assert entry.GetTypeObject().GetCodeMeaning() == "Tissue"


def test_accept_all_makes_a_segmentation_of_the_persons_own(proposed: Any, voxels: Any) -> None:
    proposed.decide("acceptAllButton")

    (accepted,) = nodes()
    assert accepted.GetName() == "Doe^Jane CT segmentation"
    assert proposed.targetSelector.currentNode() is accepted
    assert proposed.proposalLabel.text == "Accepted 2 segments into 'Doe^Jane CT segmentation'."
    scan = slicer.util.arrayFromVolume(proposed.volume)
    np.testing.assert_array_equal(voxels(accepted, "Airy", proposed.volume), scan < -500)


def test_accept_selected_leaves_the_rest_in_the_proposal(proposed: Any) -> None:
    proposed.segmentsTable.setSelectedSegmentIDs(["Airy"])
    proposed.decide("acceptSelectedButton")

    assert segmentIDs(proposed.proposal) == ["Dense"]
    assert segmentIDs(proposed.targetSelector.currentNode()) == ["Airy"]
    assert proposed.acceptAllButton.enabled


def test_undo_takes_an_acceptance_back_in_one_step(proposed: Any, voxels: Any, wait_until: Any) -> None:
    proposed.decide("acceptAllButton")
    accepted = proposed.targetSelector.currentNode()

    proposed.undoButton.click()
    wait_until(lambda: proposed.proposalLabel.text == "Taken back.")

    assert segmentIDs(accepted) == []
    assert segmentIDs(proposed.proposal) == ["Dense", "Airy"]
    scan = slicer.util.arrayFromVolume(proposed.volume)
    np.testing.assert_array_equal(voxels(proposed.proposal, "Dense", proposed.volume), scan > 500)
    assert proposed.acceptAllButton.enabled
    assert not proposed.undoButton.enabled


def test_reject_removes_the_proposal_and_undo_brings_it_back(proposed: Any, wait_until: Any) -> None:
    proposed.decide("rejectButton")
    assert nodes() == []
    assert not proposed.acceptAllButton.enabled

    proposed.undoButton.click()
    wait_until(lambda: proposed.acceptAllButton.enabled)

    assert [segmentIDs(node) for node in nodes()] == [["Dense", "Airy"]]


def test_what_a_person_edited_stays_and_the_panel_says_so(proposed: Any, voxels: Any, edit: Any) -> None:
    proposed.decide("acceptAllButton")
    mine = proposed.targetSelector.currentNode()
    erased = np.zeros((12, 20, 30), bool)
    erased[3] = True
    edit(mine, "Dense", proposed.volume, erased, erase=True)
    before = voxels(mine, "Dense", proposed.volume)
    proposed.segment()

    proposed.decide("acceptAllButton")

    np.testing.assert_array_equal(voxels(mine, "Dense", proposed.volume), before)
    assert "Left as they are, because a person edited or locked them: Dense." in proposed.proposalLabel.text
    assert segmentIDs(mine) == ["Dense", "Airy"]


def test_accepting_into_another_segmentation_keeps_what_is_in_it(proposed: Any) -> None:
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    mine.SetReferenceImageGeometryParameterFromVolumeNode(proposed.volume)
    mine.GetSegmentation().AddEmptySegment("Tumor", "Tumor")
    proposed.targetSelector.setCurrentNode(mine)

    proposed.decide("acceptAllButton")

    assert segmentIDs(mine) == ["Tumor", "Dense", "Airy"]


def test_a_proposal_is_not_accepted_into_itself(proposed: Any, wait_until: Any) -> None:
    proposed.targetSelector.setCurrentNode(proposed.proposal)
    proposed.acceptAllButton.click()

    wait_until(lambda: "cannot be accepted into itself" in proposed.proposalLabel.text)
    assert segmentIDs(proposed.proposal) == ["Dense", "Airy"]


def test_surfaces_are_made_on_demand_only(proposed: Any) -> None:
    segmentation = proposed.proposal.GetSegmentation()
    assert not segmentation.ContainsRepresentation("Closed surface")

    proposed.show3DButton.click()

    assert segmentation.ContainsRepresentation("Closed surface")


def test_the_proposal_lies_under_the_scans_transform(panel: Any, make_volume: Any) -> None:
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    volume = make_volume()
    volume.SetAndObserveTransformNodeID(transform.GetID())
    opened = panel()
    opened.open(volume)

    proposal = opened.segment()
    opened.decide("acceptAllButton")

    assert proposal.GetTransformNodeID() == transform.GetID()
    assert opened.targetSelector.currentNode().GetTransformNodeID() == transform.GetID()


def test_closing_the_scene_forgets_the_proposal(proposed: Any) -> None:
    proposed.decide("acceptAllButton")

    slicer.mrmlScene.Clear(0)

    assert not proposed.undoButton.enabled
    assert not proposed.acceptAllButton.enabled
    assert proposed.targetSelector.currentNode() is None


def test_a_saved_scene_comes_back_with_its_choices(proposed: Any, tmp_path: Any) -> None:
    """Saved with a proposal that waits, loaded again: volume, model, target and proposal are chosen as before."""
    scene = slicer.mrmlScene
    proposed.segmentsTable.setSelectedSegmentIDs(["Airy"])
    proposed.decide("acceptSelectedButton")
    for node in [*nodes(), proposed.volume]:
        node.AddDefaultStorageNode()
        suffix = ".nrrd" if node is proposed.volume else ".seg.nrrd"
        node.GetStorageNode().SetFileName(str(tmp_path / (node.GetID() + suffix)))
        assert node.GetStorageNode().WriteData(node)
    scene.SetURL(str(tmp_path / "Fall für später.mrml"))
    assert scene.Commit()
    scene.Clear(0)
    assert proposed.inputSelector.currentNode() is None

    scene.SetURL(str(tmp_path / "Fall für später.mrml"))
    assert scene.Connect()

    assert proposed.inputSelector.currentNode().GetName() == "Doe^Jane CT"
    assert proposed.targetSelector.currentNode().GetName() == "Doe^Jane CT segmentation"
    assert proposed.parameters.model == "fake"
    assert segmentIDs(proposed.segmentsTable.segmentationNode()) == ["Dense"]
    assert proposed.acceptAllButton.enabled


def test_a_deleted_target_is_not_replaced_by_the_segmentation_of_another_patient(
    proposed: Any, make_volume: Any
) -> None:
    proposed.decide("acceptAllButton")
    target = proposed.targetSelector.currentNode()
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Roe^Richard")
    make_volume(name="Roe^Richard CT")

    slicer.mrmlScene.RemoveNode(target)
    slicer.mrmlScene.RemoveNode(proposed.volume)

    assert proposed.targetSelector.currentNode() is None
    assert proposed.reviewSelector.currentNode() is None
    assert proposed.inputSelector.currentNode() is None
    assert not proposed.segmentButton.enabled


def test_importing_more_data_leaves_the_choices_alone(proposed: Any, tmp_path: Any) -> None:
    proposed.decide("acceptAllButton")
    chosen, more = proposed.parameters, slicer.vtkMRMLScene()
    more.AddNode(slicer.vtkMRMLTextNode())
    more.SetURL(str(tmp_path / "more.mrml"))
    assert more.Commit()

    slicer.mrmlScene.SetURL(str(tmp_path / "more.mrml"))
    assert slicer.mrmlScene.Import()

    assert proposed.parameters == chosen
    assert proposed.inputSelector.currentNode() is proposed.volume
    assert proposed.targetSelector.currentNode().GetID() == chosen.segmentationNodeID
    editor = proposed.widget._review._correct.editor.widget
    assert editor.segmentationNode().GetID() == chosen.reviewedNodeID
