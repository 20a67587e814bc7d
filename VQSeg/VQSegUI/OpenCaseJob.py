"""Opening a case of a project: the scan becomes a volume node, its label map a segmentation that can be corrected."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from VQSegUI import LabelTable, Proposal, SceneBridge
from VQSegUI.CaseNodes import rememberCase, rememberValues, startWork
from VQSegUI.Engine import Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.ReviewMarks import Marks, writeMarks
from VQSegUI.ScanJob import Work, toNumpy
from VQSegUI.ScanReceipt import ScanReceipt
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

OPENED, RECEIVED = 0.3, 0.8
"""Share of the whole that is done when the engine has read the case and when the scan is here."""


class OpenCaseJob:
    """An opening under way; the same signals as a `ScanJob`, ``finished`` with the volume node.

    Attributes:
        segmentationNode: The segmentation; None for a scan without labels.
    """

    def __init__(self, engine: Any, project: str, caseID: str, window: Optional[Sequence[float]] = None) -> None:
        """Make the job; ``window`` is the lowest and highest value shown, None lets Slicer choose."""
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.notes: List[str] = []
        self.segmentationNode: Any = None
        self._engine, self._project, self._caseID, self._window = engine, project, caseID, window
        self._volumeNode: Any = None
        self._reviewed: Optional[List[int]] = None
        self._current: Any = None
        self._receipt: Optional[ScanReceipt] = None
        self._steps: Optional[Steps] = None
        self._isOver = self._isCancelled = False

    def start(self) -> OpenCaseJob:
        """Begin; everything that comes of it arrives as signals."""
        qt.QTimer.singleShot(0, self._begin)
        return self

    def cancel(self) -> None:
        """Stop at the person's wish; ``failed`` follows, and the scene is as before."""
        self._isCancelled = True
        if self._current is not None:
            self._current.cancel()
        else:
            self._fail(Cancelled(_("Cancelled.")))

    def abandon(self, problem: Problem) -> None:
        """Stop because the result has no place any more."""
        current = self._current
        self._fail(problem)
        if current is not None:
            current.cancel()

    def nodeIDs(self) -> Set[str]:
        """Return no node: nothing in the scene is needed."""
        return set()

    def _begin(self) -> None:
        if not self._isOver:
            self.progressed.emit(0.0, _("Opening the case"), None)
            self._ask("cases/show", self._onRecord)

    def _ask(self, method: str, onAnswer: Callable[[Dict[str, Any]], None]) -> None:
        self._current = self._engine.request(method, {"project": self._project, "case": self._caseID})
        self._current.progressed.connect(lambda done, stage, left: self.progressed.emit(done * OPENED, stage, left))
        self._current.failed.connect(self._fail)
        self._current.succeeded.connect(lambda answer: self._goOn(onAnswer, answer))

    def _goOn(self, onAnswer: Callable[[Dict[str, Any]], None], answer: Dict[str, Any]) -> None:
        self._current = None
        if self._isOver:
            if "volume" in answer:
                self._engine.request("volume/close", {"volume": answer["volume"]})
        elif self._isCancelled:
            self._fail(Cancelled(_("Cancelled.")))
        else:
            onAnswer(answer)

    def _onRecord(self, answer: Dict[str, Any]) -> None:
        labels = answer["record"]["labels"]
        self._reviewed = labels[-1]["reviewed_slices"] if labels else None
        self._ask("cases/open", self._onOpened)

    def _onOpened(self, answer: Dict[str, Any]) -> None:
        self._answer = answer
        receipt = self._receipt = ScanReceipt(self._engine, answer)
        receipt.failed.connect(self._fail)
        receipt.progressed.connect(self._onReceived)
        receipt.finished.connect(self._onReceivedAll)
        receipt.start()

    def _onReceived(self, fraction: float) -> None:
        self.progressed.emit(OPENED + fraction * (RECEIVED - OPENED), _("Receiving the scan"), None)

    def _onReceivedAll(self) -> None:
        self._steps = Steps(self._build())
        self._steps.failed.connect(self._fail)
        self._steps.finished.connect(self._onBuilt)
        self._steps.start()

    def _build(self) -> Work:
        """Make the nodes, one label per step."""
        affine = self._answer["geometry"]["affine_ijk_to_ras"]
        self._volumeNode = makeVolume(self._caseID, self._receipt.image, affine, self._window)
        rememberCase(self._volumeNode, self._project, self._caseID)
        yield
        if self._answer["case"]["revision"] is not None:
            yield from self._buildSegmentation()
        self._checkInScene()
        self._receipt.keep(SceneBridge.readScan(self._volumeNode))

    def _buildSegmentation(self) -> Work:
        """Make the segmentation; reviewed slices are a person's work and never give way to a later proposal."""
        name, labels = _("{case} segmentation").format(case=self._caseID), self._answer["labels"]
        node = self.segmentationNode = Proposal.createSegmentation(name, beside=self._volumeNode)
        node.SetReferenceImageGeometryParameterFromVolumeNode(self._volumeNode)
        LabelTable.remember(node, labels, "")
        rememberCase(node, self._project, self._caseID)
        slices = range(self._answer["geometry"]["shape_kji"][0]) if self._reviewed is None else self._reviewed
        writeMarks(node, Marks(right=frozenset(slices)))
        startWork(node)
        yield
        for number, label in enumerate(labels):
            self._checkInScene()
            if label.get("array") is not None:
                segmentID = yield from self._addSegment(node, label, slices)
                rememberValues(node, self._project, {segmentID: label["value"]})
            done = RECEIVED + (number + 1) / len(labels) * (1 - RECEIVED)
            self.progressed.emit(done, _("Adding {name}").format(name=label["name"]), None)
            yield

    def _addSegment(self, node: Any, label: Dict[str, Any], reviewed: Iterable[int]) -> Any:
        extent = label["extent_ijk"]
        drawn = [k for k in reviewed if extent[4] <= k <= extent[5]]
        return Proposal.addLabelSteps(node, self._volumeNode, label, toNumpy(label["array"]), drawn)

    def _checkInScene(self) -> None:
        made = [node for node in (self._volumeNode, self.segmentationNode) if node is not None]
        if any(node.GetScene() is None for node in made):
            raise Problem(_("The case was removed from the scene while it was opened; open it again."))

    def _onBuilt(self) -> None:
        self._isOver = True
        self.finished.emit(self._volumeNode)

    def _fail(self, problem: Problem) -> None:
        if self._isOver:
            return
        self._isOver, self._current = True, None
        if self._steps is not None:
            self._steps.stop()
        for node in (self.segmentationNode, self._volumeNode):
            if node is not None and node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)
        if self._receipt is not None:
            self._receipt.drop()
        self.failed.emit(problem)


def makeVolume(name: str, image: Any, affine: SceneBridge.Matrix, window: Optional[Sequence[float]]) -> Any:
    """Return a new volume node for an image."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, affine[row][column])
    node.SetIJKToRASMatrix(matrix)
    node.CreateDefaultDisplayNodes()
    if window is not None:
        node.GetDisplayNode().SetAutoWindowLevel(0)
        node.GetDisplayNode().SetWindowLevelMinMax(*window)
    node.SetAndObserveImageData(image)
    return node


def showVolume(volumeNode: Any) -> None:
    """Show a scan in all slice views."""
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveVolumeID(volumeNode.GetID())
    logic.PropagateVolumeSelection(1)
