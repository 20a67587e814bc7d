"""One segmentation from the click to the proposal: send the scan, ask, add the labels one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI import Proposal, SceneBridge
from VQSegUI.Consent import maySendScans
from VQSegUI.Engine import READY, STARTING, Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.ScanTransfer import ScanTransfer
from VQSegUI.Segments import isUntouched
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

SENT, SEGMENTED = 0.1, 0.95
"""Share of the whole that is done when the scan is sent and when the engine has answered."""


@dataclass(frozen=True)
class SegmentRequest:
    """What to segment; node fields hold MRML node IDs, since nodes can go while the engine works.

    Attributes:
        model: ``id`` of a model.
        device: ``id`` of a device; empty: the engine decides.
    """

    volumeNodeID: str
    model: str
    device: str = ""
    roiNodeID: Optional[str] = None


class SegmentJob:
    """A segmentation under way.

    Attributes:
        progressed: Emitted with the fraction of the whole (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with the proposal node.
        failed: Emitted with a `Problem`; `Cancelled` when the person stopped it.
        result: The engine's answer without the voxels; empty before it came.
        notes: What the person should know about the result, one sentence each.
    """

    def __init__(self, engine: Any, request: SegmentRequest, maySend: Callable[[Any], bool] = maySendScans) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.result: Dict[str, Any] = {}
        self.notes: List[str] = []
        self.request = request
        self._engine, self._maySend = engine, maySend
        self._current: Any = None  # what can be cancelled: a transfer, then a reply
        self._steps: Optional[Steps] = None
        self._proposalID = ""
        self._isOver = self._isCancelled = False

    def start(self) -> None:
        """Begin; everything that comes of it arrives as signals.

        Raises:
            Problem: The volume or the ROI cannot be used; nothing was started.
        """
        volumeNode = self._volumeNode()
        self._scan = SceneBridge.readScan(volumeNode)
        self._params: Dict[str, Any] = {"model": self.request.model, "device": self.request.device or "auto"}
        if self.request.roiNodeID:
            start, stop = SceneBridge.roiBox(slicer.mrmlScene.GetNodeByID(self.request.roiNodeID), volumeNode)
            self._params["roi"] = {"start_kji": list(start), "stop_kji": list(stop)}
        self.notes += self._scan.notes
        # Not now: nobody has connected to the signals yet.
        qt.QTimer.singleShot(0, self._begin)

    def _begin(self) -> None:
        if self._isOver:
            return
        if self._engine.state == READY:
            self._send()
            return
        self._engine.stateChanged.connect(self._onEngineState)
        self._tell(0.0, _("Starting the engine"), None)
        if not self._isOver:
            self._engine.start()

    def _onEngineState(self) -> None:
        state = self._engine.state
        if state == STARTING:
            return
        self._engine.stateChanged.disconnect(self._onEngineState)
        if self._isOver:
            return
        if state == READY:
            self._send()
        else:
            self._fail(self._engine.problem or Cancelled(_("The engine was stopped.")))

    def _send(self) -> None:
        if not self._maySend(self._engine):
            self._fail(Cancelled(_("The scan was not sent.")))
            return
        self._current = ScanTransfer(self._engine, self._scan)
        self._current.progressed.connect(lambda fraction: self._tell(fraction * SENT, _("Sending the scan"), None))
        self._current.failed.connect(self._fail)
        self._current.finished.connect(self._onSent)
        self._tell(0.0, _("Sending the scan"), None)
        if self._current is not None:
            self._current.start()

    def cancel(self) -> None:
        """Stop at the person's wish; ``failed`` follows with `Cancelled`, and the scene is as before."""
        self._isCancelled = True
        if self._current is not None:
            self._current.cancel()
        else:
            self._fail(Cancelled(_("Cancelled.")))

    def abandon(self, problem: Problem) -> None:
        """Stop because the result has no place any more; the engine is told, its answer is not waited for."""
        current = self._current
        self._fail(problem)
        if current is not None:
            current.cancel()

    def _onSent(self, volume: Any) -> None:
        if self._isOver:
            return
        self._current = self._engine.request("segment", {"volume": volume, **self._params})
        self._current.progressed.connect(self._onProgress)
        self._current.failed.connect(self._fail)
        self._current.succeeded.connect(self._onResult)

    def _onProgress(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self._tell(SENT + fraction * (SEGMENTED - SENT), stage, secondsLeft)

    def _onResult(self, result: Dict[str, Any]) -> None:
        if self._isOver:
            return
        self._current = None
        if self._isCancelled:  # the answer was faster than the wish to stop
            self._fail(Cancelled(_("Cancelled.")))
            return
        self.result = {key: value for key, value in result.items() if key != "labels"}
        self.notes += result.get("notes", [])
        self._steps = Steps(self._addLabels(result["labels"]))
        self._steps.failed.connect(self._fail)
        self._steps.finished.connect(self._onAdded)
        self._steps.start()

    def _addLabels(self, labels: List[Dict[str, Any]]) -> Iterator[None]:
        """Add one label per step; earlier proposals that nobody touched make way."""
        earlier = [node.GetID() for node in Proposal.proposalsOf(self._volumeNode())]
        self._checkUnchanged()
        self._proposalID = Proposal.createProposal(self._volumeNode()).GetID()
        yield
        found = [label for label in labels if label.get("array") is not None]
        missing = [label["name"] for label in labels if label.get("array") is None]
        if missing:
            self.notes.append(_("Not found in this scan: {names}.").format(names=", ".join(missing)))
        for number, label in enumerate(found):
            proposalNode = slicer.mrmlScene.GetNodeByID(self._proposalID)
            Proposal.addLabel(proposalNode, self._volumeNode(), label, _toNumpy(label["array"]))
            fraction = SEGMENTED + (number + 1) / len(found) * (1 - SEGMENTED)
            self._tell(fraction, _("Adding {name}").format(name=label["name"]), None)
            yield
        for nodeID in earlier:
            yield from self._removeUnlessChanged(nodeID)
        Proposal.nameProposal(slicer.mrmlScene.GetNodeByID(self._proposalID), self._volumeNode())

    def _removeUnlessChanged(self, nodeID: str) -> Iterator[None]:
        """Remove an earlier proposal unless a person edited, locked or added a segment of it; one per step."""
        node = slicer.mrmlScene.GetNodeByID(nodeID)
        for segmentID in Proposal.segmentIDs(node) if node is not None else []:
            if slicer.mrmlScene.GetNodeByID(nodeID) is not node:
                return  # the person removed it meanwhile
            if not isUntouched(node, segmentID):
                sentence = _("The earlier proposal '{name}' was edited, so it stays.")
                self.notes.append(sentence.format(name=node.GetName()))
                return
            yield
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)

    def _checkUnchanged(self) -> None:
        """Drop the result when the scan is no longer the one that was sent; another frame of a sequence is."""
        isSequence = SceneBridge.isSequenceFrame(self._volumeNode())
        if not isSequence and SceneBridge.scanRevision(self._volumeNode()) != self._scan.revision:
            sentence = _(
                "The scan was changed while it was being segmented, so the result was dropped; segment it again."
            )
            raise Problem(sentence)

    def _onAdded(self) -> None:
        self._isOver = True
        self._tell(1.0, _("Done"), 0.0)
        self.finished.emit(slicer.mrmlScene.GetNodeByID(self._proposalID))

    def _volumeNode(self) -> Any:
        node = slicer.mrmlScene.GetNodeByID(self.request.volumeNodeID)
        if node is None:
            raise Problem(_("The scan was deleted while it was being segmented, so the result was dropped."))
        return node

    def _tell(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self.progressed.emit(fraction, stage, secondsLeft)

    def _fail(self, problem: Problem) -> None:
        if self._isOver:
            return
        self._isOver = True
        self._current = None
        if self._steps is not None:
            self._steps.stop()
        proposalNode = slicer.mrmlScene.GetNodeByID(self._proposalID) if self._proposalID else None
        if proposalNode is not None:
            slicer.mrmlScene.RemoveNode(proposalNode)
        self.failed.emit(problem)


def _toNumpy(array: Any) -> np.ndarray:
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape)
