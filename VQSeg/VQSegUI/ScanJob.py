"""One long request about a scan, from the click to the result in the scene: send the scan, ask, take the answer in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Generator, List, Optional, Set

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI import SceneBridge
from VQSegUI.Consent import maySendScans
from VQSegUI.Engine import READY, STARTING, Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.ScanTransfer import ScanTransfer
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

Work = Generator[None, None, None]
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


class ScanJob:
    """Work under way; a subclass says what is asked and what becomes of the answer.

    Attributes:
        method: What the engine is asked for.
        needsLabels: Whether the model's labels are asked for first.
        labels: The model's labels then.
        progressed: Emitted with the fraction of the whole (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with what was made.
        failed: Emitted with a `Problem`; `Cancelled` when the person stopped it. The scene is as before.
        result: The engine's answer without the voxels; empty before it came.
        notes: What the person should know about the result, one sentence each.
    """

    method = ""
    needsLabels = False

    def __init__(self, engine: Any, request: ScanRequest, maySend: Callable[[Any], bool] = maySendScans) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.result: Dict[str, Any] = {}
        self.notes: List[str] = []
        self.labels: List[Dict[str, Any]] = []
        self.request = request
        self._engine, self._maySend = engine, maySend
        self._params: Dict[str, Any] = {}
        self._current: Any = None  # what can be cancelled: a transfer, then a reply
        self._sent: Optional[ScanTransfer] = None
        self._steps: Optional[Steps] = None
        self._isOver = self._isCancelled = False

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

    def nodeIDs(self) -> Set[str]:
        """Return the nodes without which the work is in vain."""
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

    def _discard(self) -> None:
        """Remove what was made before the work failed."""

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
        self._current = self._engine.request("models/show", {"model": self.request.model})
        self._current.failed.connect(self._fail)
        self._current.succeeded.connect(self._onCard)

    def _onCard(self, answer: Dict[str, Any]) -> None:
        if self._isOver:
            return
        self._current = None
        if self._isCancelled:
            self._fail(Cancelled(_("Cancelled.")))
            return
        self.labels = answer["card"]["labels"]["labels"]
        self._run(self._prepare(), self._ask)

    def _ask(self) -> None:
        self._current = self._engine.request(self.method, self._params)
        self._current.progressed.connect(self._onProgress)
        self._current.failed.connect(self._fail)
        self._current.succeeded.connect(self._onAnswer)

    def _onProgress(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self._tell(SENT + fraction * (ANSWERED - SENT), stage, secondsLeft)

    def _onAnswer(self, answer: Dict[str, Any]) -> None:
        if self._isOver:
            return
        self._current = None
        if self._isCancelled:  # the answer was faster than the wish to stop
            self._fail(Cancelled(_("Cancelled.")))
            return
        self.notes += answer.get("notes", [])
        self._run(self._takeChecked(answer), self._onTaken)

    def _takeChecked(self, answer: Dict[str, Any]) -> Work:
        self._checkUnchanged()
        yield from self._take(answer)

    def _run(self, steps: Work, onDone: Callable[[], None]) -> None:
        self._steps = Steps(steps)
        self._steps.failed.connect(self._fail)
        self._steps.finished.connect(onDone)
        self._steps.start()

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

    def _tell(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self.progressed.emit(fraction, stage, secondsLeft)

    def _fail(self, problem: Problem) -> None:
        if self._isOver:
            return
        self._isOver = True
        self._current = None
        if self._steps is not None:
            self._steps.stop()
        self._leave()
        self._discard()
        self.failed.emit(problem)

    def _leave(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.leave()


def toNumpy(array: Any) -> np.ndarray:
    """Return an array of the engine's answer without copying it."""
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape)
