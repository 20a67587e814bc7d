"""One long request about a scan, from the click to the result in the scene: send the scan, ask, take the answer in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI import SceneBridge
from VQSegUI.Consent import maySendScans
from VQSegUI.Engine import READY, STARTING, Cancelled
from VQSegUI.Job import Job, Work
from VQSegUI.Problem import Problem
from VQSegUI.ScanTransfer import ScanTransfer

SENT, ANSWERED = 0.1, 0.95
"""Share of the whole that is done when the scan is sent and when the engine has answered."""


@dataclass(frozen=True)
class ScanRequest:
    """What to work on; node fields hold MRML node IDs, since nodes can go while the engine works.

    Attributes:
        model: ``id`` of a model.
        device: ``id`` of a device; empty: the engine decides.
    """

    volumeNodeID: str
    model: str
    device: str = ""
    roiNodeID: Optional[str] = None


class ScanJob(Job):
    """Work under way; a subclass says what is asked and what becomes of the answer.

    Attributes:
        method: What the engine is asked for.
        needsLabels: Whether the model's labels are asked for first.
        labels: The model's labels then.
        result: The engine's answer without the voxels; empty before it came.
    """

    method = ""
    needsLabels = False

    def __init__(self, engine: Any, request: ScanRequest, maySend: Callable[[Any], bool] = maySendScans) -> None:
        super().__init__(engine)
        self.result: Dict[str, Any] = {}
        self.labels: List[Dict[str, Any]] = []
        self.request = request
        self._maySend = maySend
        self._params: Dict[str, Any] = {}
        self._sent: Optional[ScanTransfer] = None

    def start(self) -> None:
        """Begin; everything that comes of it arrives as signals.

        Raises:
            Problem: The volume or the ROI cannot be used; nothing was started.
        """
        volumeNode = self._volumeNode()
        self._scan = SceneBridge.readScan(volumeNode)
        self._params = {"model": self.request.model, "device": self.request.device or "auto"}
        if self.request.roiNodeID:
            start, stop = SceneBridge.roiBox(slicer.mrmlScene.GetNodeByID(self.request.roiNodeID), volumeNode)
            self._params["roi"] = {"start_kji": list(start), "stop_kji": list(stop)}
        self.notes += self._scan.notes
        # Not now: nobody has connected to the signals yet.
        qt.QTimer.singleShot(0, self._begin)

    def nodeIDs(self) -> Set[str]:
        """Return the scan."""
        return {self.request.volumeNodeID}

    def _prepare(self) -> Work:
        """Complete ``_params`` step by step while the engine is ready and holds the scan."""
        yield from ()

    def _take(self, answer: Dict[str, Any]) -> Work:
        """Bring the answer into the scene step by step."""
        raise NotImplementedError

    def _outcome(self) -> Any:
        """Return what was made."""
        raise NotImplementedError

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
        if not self._engine.can(self.method):
            self._fail(Problem(_("The engine is older than this module and cannot do this; update the engine.")))
        elif not self._maySend(self._engine):
            self._fail(Cancelled(_("The scan was not sent.")))
        else:
            self._transfer()

    def _transfer(self) -> None:
        self._current = self._sent = ScanTransfer(self._engine, self._scan)
        self._current.progressed.connect(lambda fraction: self._tell(fraction * SENT, _("Sending the scan"), None))
        self._current.failed.connect(self._fail)
        self._current.finished.connect(self._onSent)
        self._tell(0.0, _("Sending the scan"), None)
        if self._current is not None:
            self._current.start()

    def _onSent(self, volume: Any) -> None:
        if self._isOver:
            return
        self._current = None
        self._params["volume"] = volume
        if not self.needsLabels:
            self._run(self._prepare(), self._ask)
            return
        self._request("models/show", {"model": self.request.model}, self._onCard)

    def _onCard(self, answer: Dict[str, Any]) -> None:
        self.labels = answer["card"]["labels"]["labels"]
        self._run(self._prepare(), self._ask)

    def _ask(self) -> None:
        self._request(self.method, self._params, self._onAnswer)
        self._current.progressed.connect(self._onProgress)

    def _onProgress(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self._tell(SENT + fraction * (ANSWERED - SENT), stage, secondsLeft)

    def _onAnswer(self, answer: Dict[str, Any]) -> None:
        self.notes += answer.get("notes", [])
        self._run(self._takeChecked(answer), self._onTaken)

    def _takeChecked(self, answer: Dict[str, Any]) -> Work:
        self._checkUnchanged()
        yield from self._take(answer)

    def _checkUnchanged(self) -> None:
        """Drop the result when the scan is no longer the one that was sent; another frame of a sequence is."""
        isSequence = SceneBridge.isSequenceFrame(self._volumeNode())
        if not isSequence and SceneBridge.scanRevision(self._volumeNode()) != self._scan.revision:
            sentence = _("The scan was changed while the engine worked on it, so the result was dropped; try again.")
            raise Problem(sentence)

    def _onTaken(self) -> None:
        self._isOver = True
        self._leave()
        self._tell(1.0, _("Done"), 0.0)
        self.finished.emit(self._outcome())

    def _volumeNode(self) -> Any:
        node = slicer.mrmlScene.GetNodeByID(self.request.volumeNodeID)
        if node is None:
            raise Problem(_("The scan was deleted meanwhile, so the result was dropped."))
        return node

    def _fail(self, problem: Problem) -> None:
        self._leave()
        super()._fail(problem)

    def _leave(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.leave()


def toNumpy(array: Any) -> np.ndarray:
    """Return an array of the engine's answer without copying it."""
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape)
