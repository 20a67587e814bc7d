"""What a person drew, read for a project a few slices at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Generator, List, Optional

from slicer.i18n import tr as _

from VQSegLib.wire import WireArray
from VQSegUI import LabelTable
from VQSegUI.CaseNodes import findLabel, projectValue
from VQSegUI.Problem import Problem
from VQSegUI.Proposal import segmentIDs
from VQSegUI.ReviewMarks import reviewedSliceSteps
from VQSegUI.SegmentBridge import Crop, joinCropSteps, segmentParts, segmentRevision
from VQSegUI.Segments import Label, describeSegment


@dataclass(frozen=True)
class Structure:
    """One segment.

    Attributes:
        segmentID: Its ID.
        name: The structure's name for the engine, however the segment was renamed.
        value: Its value in the project when it came from there.
        look: Name, color and codes as the person sees them.
        crop: Its voxels.
    """

    segmentID: str
    name: str
    value: Optional[int]
    look: Label
    crop: Crop

    def isKnown(self, labels: List[Label]) -> bool:
        """Return whether a project's label table has this structure."""
        return findLabel(labels, self.name, self.value) is not None

    def isEmpty(self) -> bool:
        """Return whether nothing is drawn."""
        return not self.crop[1]

    def toParams(self) -> Dict[str, Any]:
        """Return the structure as ``cases/add`` takes it."""
        mask, extent = self.crop
        voxels = {"extent_ijk": extent, "array": WireArray.from_numpy(mask)} if extent else {}
        return {"name": self.name, **({} if self.value is None else {"value": self.value}), **voxels}


@dataclass(frozen=True)
class Drawn:
    """A whole segmentation.

    Attributes:
        structures: Its segments.
        reviewed: Slices along k that a person vouches for.
    """

    structures: List[Structure]
    reviewed: List[int]


def readDrawnSteps(segmentationNode: Any, volumeNode: Any, project: str) -> Generator[None, None, Drawn]:
    """Read a segmentation in the voxels of its scan, a few slices per step.

    Raises:
        Problem: Two segments stand for one structure; or the segmentation or scan was removed or edited meanwhile.
    """
    before = _revisions(segmentationNode)
    steps = _readSteps(segmentationNode, volumeNode, project)
    while True:
        if segmentationNode.GetScene() is None or volumeNode.GetScene() is None:
            raise Problem(_("The segmentation or its scan was removed meanwhile; nothing was stored."))
        if _revisions(segmentationNode) != before:  # half a stroke would be stored
            raise Problem(_("The segmentation was edited while it was read; nothing was stored, try again."))
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield


def _readSteps(segmentationNode: Any, volumeNode: Any, project: str) -> Generator[None, None, Drawn]:
    structures: List[Structure] = []
    for segmentID, name in LabelTable.structures(segmentationNode).items():
        crops: List[Crop] = []
        for crop in segmentParts(segmentationNode, segmentID, volumeNode):
            crops.append(crop)
            yield
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        look, value = describeSegment(segment), projectValue(segment, project)
        if value in [one.value for one in structures]:
            value = None  # a copy of a segment is a structure of its own
        structures.append(Structure(segmentID, name, value, look, (yield from joinCropSteps(crops))))
        yield
    reviewed = yield from reviewedSliceSteps(segmentationNode)
    slices = volumeNode.GetImageData().GetDimensions()[2]
    return Drawn(structures, [k for k in reviewed if k < slices])


def _revisions(segmentationNode: Any) -> Dict[str, Any]:
    return {each: segmentRevision(segmentationNode, each) for each in segmentIDs(segmentationNode)}
