"""Opening a case of a project: the scan becomes a volume node, its label map a segmentation that can be corrected."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from VQSegUI import LabelTable, Proposal, SceneBridge
from VQSegUI.CaseNodes import rememberCase, rememberValues, startWork
from VQSegUI.Job import Job, Work
from VQSegUI.Problem import Problem
from VQSegUI.ReviewMarks import Marks, writeMarks
from VQSegUI.ScanJob import toNumpy
from VQSegUI.ScanReceipt import ScanReceipt

OPENED, RECEIVED = 0.3, 0.8
"""Share of the whole that is done when the engine has read the case and when the scan is here."""


class OpenCaseJob(Job):
    """An opening under way; ``finished`` is emitted with the volume node. Nothing in the scene is needed for it.

    Attributes:
        segmentationNode: The segmentation; None for a scan without labels.
    """

    def __init__(self, engine: Any, project: str, caseID: str, window: Optional[Sequence[float]] = None) -> None:
        """Make the job; ``window`` is the lowest and highest value shown, None lets Slicer choose."""
        super().__init__(engine)
        self.segmentationNode: Any = None
        self._project, self._caseID, self._window = project, caseID, window
        self._volumeNode: Any = None
        self._reviewed: Optional[List[int]] = None
        self._receipt: Optional[ScanReceipt] = None

    def start(self) -> OpenCaseJob:
        """Begin; everything that comes of it arrives as signals."""
        qt.QTimer.singleShot(0, self._begin)
        return self

    def _begin(self) -> None:
        if not self._isOver:
            self._tell(0.0, _("Opening the case"), None)
            self._ask("cases/show", self._onRecord)

    def _ask(self, method: str, onAnswer: Callable[[Dict[str, Any]], None]) -> None:
        self._request(method, {"project": self._project, "case": self._caseID}, onAnswer)
        self._current.progressed.connect(lambda done, stage, left: self._tell(done * OPENED, stage, left))

    def _goOn(self, onAnswer: Callable[[Dict[str, Any]], None], answer: Dict[str, Any]) -> None:
        if "volume" in answer and (self._isOver or self._isCancelled):
            self._engine.request("volume/close", {"volume": answer["volume"]})
        super()._goOn(onAnswer, answer)

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
        self._tell(OPENED + fraction * (RECEIVED - OPENED), _("Receiving the scan"), None)

    def _onReceivedAll(self) -> None:
        self._run(self._build(), self._onBuilt)

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
            self._tell(done, _("Adding {name}").format(name=label["name"]), None)
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

    def _discard(self) -> None:
        for node in (self.segmentationNode, self._volumeNode):
            if node is not None and node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)
        if self._receipt is not None:
            self._receipt.drop()


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
