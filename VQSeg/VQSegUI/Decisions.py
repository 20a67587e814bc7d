"""What a person decides about proposals: accept, reject, and take the last decision back.

Segments that a person locked or made are never changed or removed, by no decision and by no undo. A segment that a
person edited gives way only to one that holds every slice the person edited exactly as drawn, as a refinement does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, List, Optional, Set

import slicer
from slicer.i18n import tr as _

from VQSegUI import LabelTable
from VQSegUI.Problem import Problem
from VQSegUI.Proposal import segmentIDs
from VQSegUI.ReviewMarks import Marks, readMarks, writeMarks
from VQSegUI.SceneBridge import placeBeside
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.Segments import STAMP_TAG, isLocked, labelName, readTag
from VQSegUI.SliceStamps import DRAWN, Stamps, computeStamps, differingSlices, stampsFromText, stampsText


@dataclass
class Move:
    """A segment that left a proposal.

    Attributes:
        segment: The segment itself.
        proposalSegmentID: Its ID in the proposal.
        targetSegmentID: Its ID in the segmentation it was accepted into; empty when it was rejected.
        replaced: The older result of VQSeg whose place it took, if any.
        stamps: What it looked like when it was accepted.
        stampTag: What VQSeg remembered of it in the proposal.
    """

    segment: Any
    proposalSegmentID: str
    targetSegmentID: str = ""
    replaced: Any = None
    stamps: Stamps = field(default_factory=dict)
    stampTag: str = ""


@dataclass
class Decision:
    """One accept or reject, and what is needed to take it back.

    Attributes:
        proposalNode: The proposal, which may have left the scene.
        targetNodeID: Where accepted segments went; empty for a rejection.
        moves: The segments that left the proposal.
        kept: Names of segments of the target that a person edited or locked and that therefore were not replaced.
        marks: Which slices of the target were reviewed before.
    """

    proposalNode: Any
    targetNodeID: str = ""
    moves: List[Move] = field(default_factory=list)
    kept: List[str] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)


class Decisions:
    """Carries out decisions and remembers the last one."""

    def __init__(self) -> None:
        self._last: Optional[Decision] = None

    def accept(self, proposalNode: Any, ids: List[str], targetNode: Any) -> Iterator[Decision]:
        """Move segments of a proposal into a segmentation, one per step; yields the growing decision.

        Raises:
            Problem: The target is the proposal, belongs to another scan, lies under another transform or holds no label
                maps; nothing moved.
                Or a node was removed between steps; what is left stays in the proposal.
        """
        _checkTarget(proposalNode, targetNode)
        decision = self._last = Decision(proposalNode, targetNode.GetID(), marks=readMarks(targetNode))
        LabelTable.inherit(targetNode, proposalNode)
        for segmentID in ids:
            if proposalNode.GetScene() is None or targetNode.GetScene() is None:
                raise Problem(_("The proposal or the segmentation was removed meanwhile; the rest was not accepted."))
            if proposalNode.GetSegmentation().GetSegment(segmentID) is not None:
                _acceptSegment(decision, segmentID, targetNode)
                yield decision
        if not decision.kept:  # what was reviewed in the proposal is what the target holds now
            writeMarks(targetNode, readMarks(targetNode).both(readMarks(proposalNode)))
        _removeIfEmpty(proposalNode)

    def reject(self, proposalNode: Any) -> Decision:
        """Remove a proposal."""
        decision = self._last = Decision(proposalNode)
        decision.moves = [Move(_take(proposalNode, each), each) for each in segmentIDs(proposalNode)]
        _removeIfEmpty(proposalNode)
        return decision

    def canUndo(self) -> bool:
        """Return whether there is a decision to take back."""
        return self._last is not None

    def undo(self, volumeNode: Any) -> Iterator[Decision]:
        """Take the last decision back, one segment per step; yields what was undone so far.

        ``kept`` of it names segments that were changed since they were accepted and therefore stay.

        Args:
            volumeNode: The scan, beside which a proposal that was removed comes back; None: it was deleted.

        Raises:
            Problem: There is no decision to take back.
        """
        decision, self._last = self._last, None
        if decision is None:
            raise Problem(_("There is no decision to undo."))
        target = slicer.mrmlScene.GetNodeByID(decision.targetNodeID) if decision.targetNodeID else None
        undone = Decision(decision.proposalNode, decision.targetNodeID)
        for move in decision.moves:
            if target is None and move.targetSegmentID:
                continue  # the accepted segment was deleted with its segmentation, by the person
            if move.targetSegmentID and not _takeBack(move, target, undone):
                continue
            _bringBack(decision.proposalNode, volumeNode or target)
            decision.proposalNode.GetSegmentation().AddSegment(move.segment, move.proposalSegmentID)
            undone.moves.append(move)
            yield undone
        if target is not None:
            writeMarks(target, decision.marks)
        yield undone

    def forget(self) -> None:
        """Drop what could be undone, for example because the scene was closed."""
        self._last = None


def _checkTarget(proposalNode: Any, targetNode: Any) -> None:
    name = targetNode.GetName()
    labelmaps = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if targetNode is proposalNode:
        raise Problem(_("A proposal cannot be accepted into itself; choose another segmentation, or a new one."))
    scans = referenceVolume(proposalNode), referenceVolume(targetNode)
    if None not in scans and scans[0] is not scans[1]:
        sentence = _("'{name}' was drawn on another scan than the proposal; choose another segmentation, or a new one.")
        raise Problem(sentence.format(name=name))
    if targetNode.GetTransformNodeID() != proposalNode.GetTransformNodeID():
        sentence = _("'{name}' lies under another transform than the proposal; choose another segmentation.")
        raise Problem(sentence.format(name=name))
    if segmentIDs(targetNode) and targetNode.GetSegmentation().GetSourceRepresentationName() != labelmaps:
        sentence = _("'{name}' is made of surfaces, not of label maps; choose another segmentation, or a new one.")
        raise Problem(sentence.format(name=name))


def _acceptSegment(decision: Decision, segmentID: str, targetNode: Any) -> None:
    source, target = decision.proposalNode.GetSegmentation(), targetNode.GetSegmentation()
    segment = source.GetSegment(segmentID)
    name, tag = labelName(segment), readTag(segment, STAMP_TAG)
    new = computeStamps(decision.proposalNode, segmentID)
    twins = [each for each in segmentIDs(targetNode) if name and labelName(target.GetSegment(each)) == name]
    old: Stamps = {}
    drawn: Set[int] = set()
    for each in twins:
        old = computeStamps(targetNode, each)
        drawn = differingSlices(stampsFromText(readTag(target.GetSegment(each), STAMP_TAG)), old)
        if isLocked(targetNode, each) or any(old.get(k) != new.get(k) for k in drawn):
            decision.kept.append(target.GetSegment(each).GetName())
            return
    move = Move(_take(decision.proposalNode, segmentID), segmentID, stamps=new, stampTag=tag)
    move.targetSegmentID = twins[0] if twins else target.GenerateUniqueSegmentID(segmentID)
    if drawn:
        stamps = {**(stampsFromText(tag) or {}), **dict.fromkeys(drawn, DRAWN)}
        move.segment.SetTag(STAMP_TAG, stampsText(stamps))
    if twins:
        move.replaced = target.GetSegment(twins[0])
        move.segment.SetName(move.replaced.GetName())
        move.segment.SetColor(move.replaced.GetColor())
        target.RemoveSegment(twins[0])
    target.AddSegment(move.segment, move.targetSegmentID)
    writeMarks(targetNode, readMarks(targetNode).without(k for k in {*old, *new} if old.get(k) != new.get(k)))
    decision.moves.append(move)


def _takeBack(move: Move, targetNode: Any, undone: Decision) -> bool:
    """Take an accepted segment out of the target again; False: a person changed or removed it since, so it stays."""
    segmentID, target = move.targetSegmentID, targetNode.GetSegmentation()
    if target.GetSegment(segmentID) is None:
        return False
    if isLocked(targetNode, segmentID) or computeStamps(targetNode, segmentID) != move.stamps:
        undone.kept.append(target.GetSegment(segmentID).GetName())
        return False
    move.segment = _take(targetNode, segmentID)
    move.segment.SetTag(STAMP_TAG, move.stampTag)
    if move.replaced is not None:
        target.AddSegment(move.replaced, segmentID)
    return True


def _take(segmentationNode: Any, segmentID: str) -> Any:
    """Remove a segment from a segmentation and return it with voxels of its own."""
    segmentation = segmentationNode.GetSegmentation()
    # Editing may have put several segments into one label map; removing one would erase it there.
    segmentation.SeparateSegmentLabelmap(segmentID)
    segment = segmentation.GetSegment(segmentID)
    segmentation.RemoveSegment(segmentID)
    return segment


def _removeIfEmpty(proposalNode: Any) -> None:
    if not segmentIDs(proposalNode):
        slicer.mrmlScene.RemoveNode(proposalNode)


def _bringBack(proposalNode: Any, beside: Optional[Any]) -> None:
    """Put a removed proposal into the scene again."""
    if proposalNode.GetScene() is None:
        slicer.mrmlScene.AddNode(proposalNode)
        proposalNode.CreateDefaultDisplayNodes()
        if beside is not None:
            placeBeside(proposalNode, beside)
