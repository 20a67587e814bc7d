"""Accept, reject, undo: whatever happens, what a person drew or locked stays voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from VQSegUI import Proposal
from VQSegUI.Decisions import Decisions
from VQSegUI.Problem import Problem
from VQSegUI.Segments import isUntouched, labelName, labelValue

SHAPE = (5, 6, 7)
NAMES = ("Cord", "Larynx", "Parotid")
COMPLETED = slicer.vtkSlicerSegmentationsModuleLogic.Completed


def label_of(number: int) -> dict[str, Any]:
    return {"value": number + 2, "name": NAMES[number], "color": [200, 10 * number, 0]}


def propose(volume: Any, label_map: np.ndarray) -> Any:
    """Make a proposal as the engine's answer would, one cropped label after the other."""
    proposal = Proposal.createProposal(volume)
    for number in range(len(NAMES)):
        hits = np.argwhere(label_map == number + 1)
        if len(hits):
            (k0, j0, i0), (k1, j1, i1) = hits.min(axis=0).tolist(), hits.max(axis=0).tolist()
            crop = label_map[k0 : k1 + 1, j0 : j1 + 1, i0 : i1 + 1] == number + 1
            label = {**label_of(number), "extent_ijk": [i0, i1, j0, j1, k0, k1]}
            Proposal.addLabel(proposal, volume, label, crop.astype(np.uint8))
    return proposal


def accept_all(decisions: Decisions, proposal: Any, target: Any) -> list[str]:
    kept: list[str] = []
    for decision in decisions.accept(proposal, Proposal.segmentIDs(proposal), target):
        kept = decision.kept
    return kept


def undo(decisions: Decisions, volume: Any) -> Any:
    return list(decisions.undo(volume))[-1]


def label_maps() -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 4, SHAPE))


@pytest.fixture
def volume(make_volume: Any) -> Any:
    return make_volume(np.zeros(SHAPE, np.int16))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=label_maps(), second=label_maps(), edits=st.tuples(*[st.sampled_from(["", "paint", "erase", "lock"])] * 3))
def test_no_decision_and_no_undo_changes_what_a_person_edited_or_locked(
    volume: Any, voxels: Any, edit: Any, first: np.ndarray, second: np.ndarray, edits: tuple[str, str, str]
) -> None:
    decisions = Decisions()
    proposal = propose(volume, first)
    target = Proposal.createSegmentationLike(proposal, "Mine")
    accept_all(decisions, proposal, target)
    one_voxel = np.zeros(SHAPE, bool)
    for number, what in enumerate(edits):
        segment_id = target.GetSegmentation().GetSegmentIdBySegmentName(NAMES[number])
        if not segment_id:
            continue
        drawn = voxels(target, NAMES[number], volume)
        one_voxel[:] = False
        one_voxel[tuple(np.argwhere(drawn if what == "erase" else ~drawn)[0])] = True
        if what in ("paint", "erase"):
            edit(target, segment_id, volume, one_voxel, erase=what == "erase")
        elif what == "lock":
            segment = target.GetSegmentation().GetSegment(segment_id)
            slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(segment, COMPLETED)
    names = [target.GetSegmentation().GetNthSegment(n).GetName() for n in range(len(Proposal.segmentIDs(target)))]
    protected = {NAMES[number] for number, what in enumerate(edits) if what} & set(names)
    before = {name: voxels(target, name, volume) for name in names}

    newer = propose(volume, second)
    kept = accept_all(decisions, newer, target)

    assert set(kept) == protected & {NAMES[value - 1] for value in np.unique(second) if value}
    for name in names:
        expected = before[name] if name in protected or name not in NAMES else second == NAMES.index(name) + 1
        if name in protected or (second == NAMES.index(name) + 1).any():
            np.testing.assert_array_equal(voxels(target, name, volume), expected, err_msg=name)

    undo(decisions, volume)

    for name in names:
        np.testing.assert_array_equal(voxels(target, name, volume), before[name], err_msg=name)
    slicer.mrmlScene.RemoveNode(target)
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        slicer.mrmlScene.RemoveNode(node)


def test_undo_leaves_a_segment_that_was_edited_after_it_was_accepted(volume: Any, voxels: Any, edit: Any) -> None:
    label_map = np.zeros(SHAPE, int)
    label_map[0, 0, 0:2], label_map[1, 1, 1] = 1, 2
    decisions = Decisions()
    proposal = propose(volume, label_map)
    target = Proposal.createSegmentationLike(proposal, "Mine")
    accept_all(decisions, proposal, target)
    painted = np.zeros(SHAPE, bool)
    painted[4, 5, 6] = True
    edit(target, "Cord", volume, painted)

    undone = undo(decisions, volume)

    assert undone.kept == ["Cord"]
    assert voxels(target, "Cord", volume).sum() == 3
    assert Proposal.segmentIDs(target) == ["Cord"]
    assert Proposal.segmentIDs(proposal) == ["Larynx"]


def test_undo_of_a_rejection_brings_the_proposal_back_where_it_was(volume: Any, voxels: Any) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, volume)
    label_map = np.zeros(SHAPE, int)
    label_map[2, 3, 4] = 1
    proposal = propose(volume, label_map)
    decisions = Decisions()

    decisions.reject(proposal)
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    undo(decisions, volume)

    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [proposal]
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(proposal)) == study
    assert proposal.GetDisplayNode() is not None
    assert Proposal.isProposal(proposal)
    assert voxels(proposal, "Cord", volume)[2, 3, 4]


def test_a_renamed_and_recolored_segment_keeps_name_color_and_value_when_replaced(volume: Any, voxels: Any) -> None:
    label_map = np.zeros(SHAPE, int)
    label_map[0, 0, 0] = 1
    decisions = Decisions()
    proposal = propose(volume, label_map)
    target = Proposal.createSegmentationLike(proposal, "Mine")
    accept_all(decisions, proposal, target)
    target.GetSegmentation().GetSegment("Cord").SetName("Rückenmark")
    target.GetSegmentation().GetSegment("Cord").SetColor(0.1, 0.2, 0.3)

    accept_all(decisions, propose(volume, np.ones(SHAPE, int)), target)

    assert Proposal.segmentIDs(target) == ["Cord"]
    segment = target.GetSegmentation().GetSegment("Cord")
    assert (segment.GetName(), labelName(segment), labelValue(segment)) == ("Rückenmark", "Cord", 2)
    assert segment.GetColor() == pytest.approx((0.1, 0.2, 0.3))
    assert voxels(target, "Rückenmark", volume).all()
    assert isUntouched(target, "Cord")


def test_a_persons_own_segment_of_the_same_name_is_not_touched(volume: Any, edit: Any) -> None:
    target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Mine")
    target.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    target.GetSegmentation().AddEmptySegment("Cord", "Cord")
    painted = np.zeros(SHAPE, bool)
    painted[1, 2, 3] = True
    edit(target, "Cord", volume, painted)

    accept_all(Decisions(), propose(volume, np.ones(SHAPE, int)), target)

    np.testing.assert_array_equal(
        slicer.util.arrayFromSegmentBinaryLabelmap(target, "Cord", volume).astype(bool), painted
    )
    assert len(Proposal.segmentIDs(target)) == 2


def test_a_segment_edited_in_the_proposal_is_accepted_as_the_persons(volume: Any, edit: Any) -> None:
    proposal = propose(volume, np.ones(SHAPE, int))
    erased = np.zeros(SHAPE, bool)
    erased[0, 0, 0] = True
    edit(proposal, "Cord", volume, erased, erase=True)
    target = Proposal.createSegmentationLike(proposal, "Mine")

    accept_all(Decisions(), proposal, target)

    assert not isUntouched(target, "Cord")


def test_the_stamp_survives_saving_and_loading(volume: Any, tmp_path: Any) -> None:
    label_map = np.zeros(SHAPE, int)
    label_map[1:3, 2:4, 3:6], label_map[4, 5, 6] = 1, 2
    proposal = propose(volume, label_map)
    path = str(tmp_path / "Vorschlag für CT.seg.nrrd")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(path)
    assert storage.WriteData(proposal)
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Loaded")

    assert storage.ReadData(loaded)

    assert [isUntouched(loaded, each) for each in Proposal.segmentIDs(loaded)] == [True, True]
    assert [labelValue(loaded.GetSegmentation().GetSegment(each)) for each in Proposal.segmentIDs(loaded)] == [2, 3]


def test_targets_that_cannot_take_segments_are_refused(volume: Any) -> None:
    proposal = propose(volume, np.ones(SHAPE, int))
    elsewhere = Proposal.createSegmentationLike(proposal, "Elsewhere")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    elsewhere.SetAndObserveTransformNodeID(transform.GetID())
    surfaces = propose(volume, np.ones(SHAPE, int))
    surfaces.CreateClosedSurfaceRepresentation()
    surfaces.GetSegmentation().SetSourceRepresentationName("Closed surface")

    for target, words in ((proposal, "into itself"), (elsewhere, "another transform"), (surfaces, "made of surfaces")):
        with pytest.raises(Problem, match=words):
            accept_all(Decisions(), proposal, target)
        assert Proposal.segmentIDs(proposal) == ["Cord"]


def test_there_is_nothing_to_undo_at_first() -> None:
    with pytest.raises(Problem, match="no decision to undo"):
        undo(Decisions(), None)


def test_segments_that_share_a_label_map_are_taken_apart(volume: Any, voxels: Any, edit: Any) -> None:
    label_map = np.zeros(SHAPE, int)
    label_map[0:2], label_map[3:5] = 1, 2
    proposal = propose(volume, label_map)
    proposal.GetSegmentation().CollapseBinaryLabelmaps(True)
    assert proposal.GetSegmentation().GetNumberOfLayers() == 1
    target = Proposal.createSegmentationLike(proposal, "Mine")

    for _decision in Decisions().accept(proposal, ["Cord"], target):
        pass

    assert isUntouched(target, "Cord")
    np.testing.assert_array_equal(voxels(target, "Cord", volume), label_map == 1)
    np.testing.assert_array_equal(voxels(proposal, "Larynx", volume), label_map == 2)
    edit(target, "Cord", volume, np.ones(SHAPE, bool))
    np.testing.assert_array_equal(voxels(proposal, "Larynx", volume), label_map == 2)
