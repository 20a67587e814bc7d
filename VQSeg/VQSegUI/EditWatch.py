"""Keeps track of the slices of a segmentation that a person edited, without ever holding up the window."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Generator, List, Optional, Set, Tuple

import qt
import slicer

from VQSegUI.Proposal import segmentIDs
from VQSegUI.SegmentBridge import segmentRevision
from VQSegUI.Segments import editedSliceSteps
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

PAUSE_MILLISECONDS = 300
"""Strokes follow each other quickly; it is enough to look when a person pauses."""


class EditWatch:
    """Looks again whenever the segmentation changed, at a few slices per turn of the event loop.

    Attributes:
        changed: Emitted without values when ``edited`` is up to date again.
        edited: Slices along k that are a person's work.
    """

    def __init__(self) -> None:
        self.changed = Signal()
        self.edited: FrozenSet[int] = frozenset()
        self._node: Any = None
        self._tags: List[int] = []
        self._known: Dict[str, Tuple[Any, Set[int]]] = {}
        self._steps: Optional[Steps] = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MILLISECONDS)
        self._timer.timeout.connect(self._look)

    def watch(self, segmentationNode: Any) -> None:
        """Follow another segmentation, None: no one."""
        if segmentationNode is self._node:
            return
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags, self._known, self.edited = segmentationNode, [], {}, frozenset()
        self._stop()
        if segmentationNode is not None:
            events = slicer.vtkSegmentation
            for event in (events.SourceRepresentationModified, events.SegmentAdded, events.SegmentRemoved):
                self._tags.append(segmentationNode.AddObserver(event, lambda _caller, _event: self._timer.start()))
            self._look()

    def isUpToDate(self) -> bool:
        """Return whether nothing changed since ``edited`` was found."""
        return not self._timer.isActive() and (self._steps is None or not self._steps.isRunning())

    def _stop(self) -> None:
        self._timer.stop()
        if self._steps is not None:
            self._steps.stop()

    def _look(self) -> None:
        self._stop()
        self._steps = Steps(self._compare())
        self._steps.finished.connect(self.changed.emit)
        self._steps.start()

    def _compare(self) -> Generator[None, None, None]:
        edited: Set[int] = set()
        for segmentID in segmentIDs(self._node):
            if self._node.GetSegmentation().GetSegment(segmentID) is None:
                continue  # removed meanwhile; the observer looks again
            revision = segmentRevision(self._node, segmentID)
            if self._known.get(segmentID, (None,))[0] != revision:
                self._known[segmentID] = (revision, (yield from editedSliceSteps(self._node, segmentID)))
            edited |= self._known[segmentID][1]
        self.edited = frozenset(k for k in edited if k >= 0)
        yield
