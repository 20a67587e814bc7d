"""Accepting refinements: over random label maps, edits and locks, every slice a person drew stays voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_decisions import COMPLETED, NAMES, SHAPE, accept_all, label_maps, label_of, propose, undo

from VQSegUI import Proposal
from VQSegUI.Decisions import Decisions
from VQSegUI.RefineJob import onSlices, replaceSliceSteps
from VQSegUI.ReviewMarks import allEditedSlices
from VQSegUI.SegmentBridge import NOTHING, joinCrops, segmentParts
from VQSegUI.Segments import editedSlices
from VQSegUI.Steps import finish


@pytest.fixture
def volume(make_volume: Any) -> Any:
    return make_volume(np.zeros(SHAPE, np.int16))


def refine(volume: Any, target: Any, answer: np.ndarray, slices: set[int]) -> Any:
    """Make the proposal of a refinement: the engine's answer, with corrected slices as the person drew them."""
    proposal = Proposal.createProposal(volume)
    for number, name in enumerate(NAMES):
        whole = (answer == number + 1).astype(np.uint8)
        extent = [value for side in reversed(SHAPE) for value in (0, side - 1)]
        segment_id = target.GetSegmentation().GetSegmentIdBySegmentName(name)
        drawn = joinCrops(segmentParts(target, segment_id, volume)) if segment_id else NOTHING
        mask, box = finish(replaceSliceSteps((whole, extent), onSlices(drawn, slices), slices))
        if box:
            Proposal.addLabel(proposal, volume, {**label_of(number), "extent_ijk": box}, mask, drawn=slices)
    return proposal


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=label_maps(),
    answer=label_maps(),
    later=label_maps(),
    edits=st.dictionaries(st.integers(0, SHAPE[0] - 1), st.integers(0, 2**32 - 1), min_size=1, max_size=3),
    late=st.sampled_from(["", "edit", "lock"]),
)
def test_a_refinement_never_changes_a_slice_that_a_person_drew(
    volume: Any,
    voxels: Any,
    edit: Any,
    first: np.ndarray,
    answer: np.ndarray,
    later: np.ndarray,
    edits: dict[int, int],
    late: str,
) -> None:
    decisions, start = Decisions(), propose(volume, first)
    target = Proposal.createSegmentationLike(start, "Mine")
    accept_all(decisions, start, target)
    for k, seed in edits.items():
        stroke = np.zeros(SHAPE, bool)
        stroke[k] = np.random.default_rng(seed).random(SHAPE[1:]) < 0.5
        edit(target, NAMES[0], volume, stroke, erase=bool(seed % 2))
    refined = refine(volume, target, answer, allEditedSlices(target))
    if late == "edit":
        stroke = np.zeros(SHAPE, bool)
        stroke[:, 0, 0] = True
        edit(target, NAMES[0], volume, stroke, erase=bool(voxels(target, NAMES[0], volume)[0, 0, 0]))
    elif late == "lock":
        segment = target.GetSegmentation().GetSegment(NAMES[0])
        slicer.vtkSlicerSegmentationsModuleLogic.SetSegmentStatus(segment, COMPLETED)
    mine = sorted(editedSlices(target, NAMES[0]))
    before = {name: voxels(target, name, volume) for name in NAMES if target.GetSegmentation().GetSegment(name)}

    kept = accept_all(decisions, refined, target)

    after = voxels(target, NAMES[0], volume)
    np.testing.assert_array_equal(after[mine], before[NAMES[0]][mine])
    others = [k for k in range(SHAPE[0]) if k not in mine]
    if late == "lock" or NAMES[0] in kept:
        np.testing.assert_array_equal(after, before[NAMES[0]])
    else:
        np.testing.assert_array_equal(after[others], answer[others] == 1)
        assert editedSlices(target, NAMES[0]) >= set(mine)
    if not late and mine:
        assert kept == []

    undo(decisions, volume)
    for name, drawn in before.items():
        np.testing.assert_array_equal(voxels(target, name, volume), drawn, err_msg=name)

    accept_all(decisions, propose(volume, later), target)
    np.testing.assert_array_equal(voxels(target, NAMES[0], volume)[mine], before[NAMES[0]][mine])
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        slicer.mrmlScene.RemoveNode(node)


def test_slices_are_replaced_over_the_box_of_both() -> None:
    found = (np.ones((2, 2, 2), np.uint8), [0, 1, 0, 1, 0, 1])
    drawn = (np.ones((1, 1, 1), np.uint8), [4, 4, 3, 3, 5, 5])

    mask, extent = finish(replaceSliceSteps(found, drawn, {1, 5}))

    assert extent == [0, 4, 0, 3, 0, 5]
    assert np.argwhere(mask).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [5, 3, 4]]


def test_slices_of_a_long_scan_are_replaced_in_pieces() -> None:
    found, replaced = np.ones((70, 2, 2), np.uint8), {2, 41, 42, 43, 71, 90}
    steps = replaceSliceSteps((found, [0, 1, 0, 1, 10, 79]), NOTHING, replaced)
    count = 0
    try:
        while True:
            next(steps)
            count += 1
    except StopIteration as end:
        mask, extent = end.value

    assert count > 2
    assert found.all()  # the engine's answer is shared, not ours to change
    assert extent == [0, 1, 0, 1, 10, 79]
    assert set(np.flatnonzero(~mask.any(axis=(1, 2))) + 10) == {41, 42, 43, 71}


def test_only_chosen_slices_are_sent() -> None:
    drawn = np.ones((4, 2, 2), np.uint8)
    drawn[3] = 0

    mask, extent = onSlices((drawn, [3, 4, 5, 6, 10, 13]), {9, 10, 12, 13})

    assert extent == [3, 4, 5, 6, 10, 13]
    assert mask.any(axis=(1, 2)).tolist() == [True, False, True, False]
    assert onSlices((drawn, [3, 4, 5, 6, 10, 13]), {13, 20})[1] == []


def test_a_drawing_that_a_plain_proposal_happens_to_hold_stays_a_persons(volume: Any, voxels: Any, edit: Any) -> None:
    decisions, cord = Decisions(), np.zeros(SHAPE, int)
    cord[0, 0, 0] = 1
    start = propose(volume, cord)
    target = Proposal.createSegmentationLike(start, "Mine")
    accept_all(decisions, start, target)
    stroke = np.zeros(SHAPE, bool)
    stroke[2, 3, 4] = True
    edit(target, NAMES[0], volume, stroke)
    cord[2, 3, 4] = 1

    assert accept_all(decisions, propose(volume, cord), target) == []
    assert accept_all(decisions, propose(volume, np.ones(SHAPE, int)), target) == [NAMES[0]]
    np.testing.assert_array_equal(voxels(target, NAMES[0], volume), cord == 1)


def test_the_same_shape_at_another_place_of_a_slice_is_a_change(volume: Any, edit: Any) -> None:
    cord = np.zeros(SHAPE, int)
    cord[1, 2, 2] = 1
    proposal = propose(volume, cord)
    moved = np.zeros(SHAPE, bool)
    moved[1, 4, 5] = True
    edit(proposal, NAMES[0], volume, moved)
    edit(proposal, NAMES[0], volume, cord == 1, erase=True)

    assert editedSlices(proposal, NAMES[0]) == {1}
