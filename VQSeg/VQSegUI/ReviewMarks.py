"""Which slices of a segmentation a person has reviewed: looked at, marked as right, or edited.

What was looked at and marked lies in attributes of the segmentation node, so scene files keep it. What was edited is
not stored: it is seen from the voxels, so that a stroke that was undone does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, FrozenSet, Generator, Iterable, List, Set

from VQSegUI.Proposal import segmentIDs
from VQSegUI.Segments import STAMP_TAG, editedSlices, editedSliceSteps, readTag
from VQSegUI.SliceStamps import differingSlices, stampsFromText, stampSteps

ATTRIBUTES = {"seen": "VQSeg.SeenSlices", "right": "VQSeg.RightSlices", "open": "VQSeg.OpenSlices"}


@dataclass(frozen=True)
class Marks:
    """Slices along k of the scan.

    Attributes:
        seen: A person looked at them.
        right: A person marked them as right.
        open: A person took the mark off them: not reviewed, even if they are seen or edited.
    """

    seen: FrozenSet[int] = frozenset()
    right: FrozenSet[int] = frozenset()
    open: FrozenSet[int] = frozenset()

    def look(self, k: int) -> Marks:
        """Return the marks after a person looked at a slice."""
        return replace(self, seen=self.seen | {k})

    def mark(self, k: int) -> Marks:
        """Return the marks after a person marked a slice as right."""
        return replace(self, right=self.right | {k}, open=self.open - {k})

    def unmark(self, k: int) -> Marks:
        """Return the marks after a person took the mark off a slice."""
        return Marks(self.seen - {k}, self.right - {k}, self.open | {k})

    def both(self, other: Marks) -> Marks:
        """Return the marks of either."""
        return Marks(self.seen | other.seen, self.right | other.right, self.open | other.open)

    def without(self, slices: Iterable[int]) -> Marks:
        """Return the marks of other slices."""
        gone = frozenset(slices)
        return Marks(self.seen - gone, self.right - gone, self.open - gone)

    def reviewed(self, edited: Iterable[int]) -> FrozenSet[int]:
        """Return the slices that count as reviewed, given those that were edited."""
        return (self.seen | self.right | frozenset(edited)) - self.open


def readMarks(segmentationNode: Any) -> Marks:
    """Return what was looked at and marked."""
    return Marks(**{name: _slices(segmentationNode.GetAttribute(attribute)) for name, attribute in ATTRIBUTES.items()})


def writeMarks(segmentationNode: Any, marks: Marks) -> None:
    """Store what was looked at and marked; observers of the node hear of it when it differs."""
    for name, attribute in ATTRIBUTES.items():
        text = _ranges(getattr(marks, name))
        if (segmentationNode.GetAttribute(attribute) or "") != text:
            segmentationNode.SetAttribute(attribute, text or None)


def allEditedSlices(segmentationNode: Any) -> Set[int]:
    """Return the slices in which any segment is a person's work."""
    return {k for each in segmentIDs(segmentationNode) for k in editedSlices(segmentationNode, each) if k >= 0}


def reviewedSlices(segmentationNode: Any) -> List[int]:
    """Return the slices a person has looked at, marked or edited: those that may teach a model."""
    return sorted(readMarks(segmentationNode).reviewed(allEditedSlices(segmentationNode)))


def reviewedSliceSteps(segmentationNode: Any) -> Generator[None, None, List[int]]:
    """Find the reviewed slices as `reviewedSlices`, a few slices per step."""
    edited: Set[int] = set()
    for segmentID in segmentIDs(segmentationNode):
        edited |= yield from editedSliceSteps(segmentationNode, segmentID)
    return sorted(readMarks(segmentationNode).reviewed(k for k in edited if k >= 0))


def correctedSlices(segmentationNode: Any) -> Generator[None, None, List[int]]:
    """Find the slices that may teach the model about this scan, a few slices per step.

    Those are the slices that were edited, and those marked as right with something drawn.
    """
    edited: Set[int] = set()
    drawn: Set[int] = set()
    for segmentID in segmentIDs(segmentationNode):
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        now = yield from stampSteps(segmentationNode, segmentID)
        edited |= differingSlices(stampsFromText(readTag(segment, STAMP_TAG)), now)
        drawn |= set(now)
    marks = readMarks(segmentationNode)
    return sorted(k for k in (edited | (marks.right & drawn)) - marks.open if k >= 0)


def _ranges(slices: Iterable[int]) -> str:
    """Write slices as text such as ``0-3,7``."""
    runs: List[List[int]] = []
    for k in sorted(slices):
        if runs and k == runs[-1][1] + 1:
            runs[-1][1] = k
        else:
            runs.append([k, k])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)


def _slices(text: Any) -> FrozenSet[int]:
    found: Set[int] = set()
    for run in (text or "").split(","):
        first, _dash, last = run.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
