"""What scripts and the panel do alike: `VQSegLogic().segment(volumeNode)` and what follows it."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Optional, Sequence, Tuple

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from VQSegUI import LabelTable
from VQSegUI.CompareJob import ComparedModel, CompareJob
from VQSegUI.Engine import Engine
from VQSegUI.EngineSource import EngineSource
from VQSegUI.ExportJob import ExportJob
from VQSegUI.OpenCaseJob import OpenCaseJob
from VQSegUI.Parameters import parameterNode
from VQSegUI.Problem import Problem
from VQSegUI.QueueJob import Acceptance, QueueJob
from VQSegUI.RefineJob import RefineJob
from VQSegUI.ScanJob import ScanRequest
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.SegmentJob import SegmentJob
from VQSegUI.UncertaintyJob import UncertaintyJob

_shared: Dict[str, Any] = {}


def sharedSource() -> EngineSource:
    """Return where the one engine of this Slicer comes from: the person's command or the private installation."""
    if "source" not in _shared:
        _shared["source"] = EngineSource()
    return _shared["source"]


def sharedEngine() -> Engine:
    """Return the one engine that the panel and all scripts of this Slicer use, so that it stays warm."""
    if "engine" not in _shared:
        _shared["engine"] = Engine(sharedSource())
        slicer.app.aboutToQuit.connect(_shared["engine"].stopNow)
    return _shared["engine"]


class VQSegLogic(ScriptedLoadableModuleLogic):
    """Segments scans with the engine and works with the results; holds no widgets. Every method takes ``wait``.

    Example:
        Segment the volume ``CT`` with a shipped model and wait for it::

            from VQSeg import VQSegLogic

            proposal = VQSegLogic().segment(slicer.util.getNode("CT"), model="vqseg-openkbp-headneck", wait=True)
            print(proposal.GetSegmentation().GetNumberOfSegments())
    """

    def __init__(self, parent: Any = None, engine: Any = None, source: Any = None) -> None:
        super().__init__(parent)
        self.engine = engine or sharedEngine()
        self.source = source or sharedSource()

    def getParameterNode(self) -> Any:
        """Return the parameter node that the scene saves; see `Parameters`."""
        return parameterNode(slicer.mrmlScene)

    def segment(self, volumeNode: Any, model: str, device: str = "", roiNode: Any = None, wait: bool = False) -> Any:
        """Segment a scan into a proposal beside it.

        Args:
            volumeNode: Scalar volume node with CT values in HU.
            model: Name of a shipped model, or path of a model file where the engine runs.
            device: ``cpu``, ``cuda``, ``cuda:<n>``; empty: the engine decides.
            roiNode: Markups ROI to stay within; None: the whole scan.
            wait: Return only when it is done; Slicer stays alive meanwhile.

        Returns:
            With ``wait`` the proposal, a ``vtkMRMLSegmentationNode``; otherwise the `SegmentJob`, already started.

        Raises:
            Problem: One sentence about what cannot be used, or with ``wait`` about what went wrong.
        """
        return self._run(SegmentJob(self.engine, _request(volumeNode, model, device, roiNode)), wait)

    def compare(
        self,
        volumeNode: Any,
        models: Tuple[ComparedModel, ComparedModel],
        device: str = "",
        roiNode: Any = None,
        wait: bool = False,
    ) -> Any:
        """Segment a scan with two models into two proposals that bear their names.

        Args:
            volumeNode: As of `segment`, and so are the rest.
            models: The two models.

        Returns:
            With ``wait`` the two proposals in a list, otherwise the `CompareJob`, already started.

        Raises:
            Problem: As `segment`.
        """
        return self._run(CompareJob(self.engine, _request(volumeNode, "", device, roiNode), models), wait)

    def findUnsure(self, volumeNode: Any, model: str, device: str = "", roiNode: Any = None, wait: bool = False) -> Any:
        """Map where a model is unsure in a scan.

        Args:
            volumeNode: As of `segment`, and so are the rest.

        Returns:
            With ``wait`` the overlay, a ``vtkMRMLScalarVolumeNode`` with percent beside the scan, or None where the
            model is sure everywhere; otherwise the `UncertaintyJob`, already started.

        Raises:
            Problem: As `segment`.
        """
        return self._run(UncertaintyJob(self.engine, _request(volumeNode, model, device, roiNode)), wait)

    def refine(
        self, segmentationNode: Any, slices: Optional[Iterable[int]] = None, device: str = "", wait: bool = False
    ) -> Any:
        """Let corrected slices teach the model about this scan, and propose the rest of it again.

        Args:
            segmentationNode: Segmentation that came from VQSeg and that a person corrected; it is not changed.
            slices: Corrected slices along k of the scan; None: those that were edited, and those marked as right with
                something drawn on them.
            device: As of `segment`.
            wait: As of `segment`.

        Returns:
            With ``wait`` the proposal, otherwise the `RefineJob`, already started.

        Raises:
            Problem: As `segment`; or the scan is gone, no model is known, or no slice is corrected.
        """
        volumeNode, model = referenceVolume(segmentationNode), LabelTable.modelOf(segmentationNode)
        if volumeNode is None or not model:
            sentence = _("'{name}' does not come from VQSeg, or its scan was removed; segment the scan first.")
            raise Problem(sentence.format(name=segmentationNode.GetName()))
        request = _request(volumeNode, model, device, None)
        return self._run(RefineJob(self.engine, request, segmentationNode.GetID(), slices), wait)

    def export(self, segmentationNode: Any, folder: str, wait: bool = False) -> Any:
        """Write a scan, its label map and its label table as NIfTI and JSON into a new folder of their own.

        Args:
            segmentationNode: What to export; the scan is its reference volume.
            folder: Folder in which the new one is made.
            wait: As of `segment`.

        Returns:
            With ``wait`` the path of the new folder, otherwise the `ExportJob`, already started.

        Raises:
            Problem: The scan is gone or cannot be written; nothing was written.
        """
        return self._run(ExportJob(segmentationNode, folder), wait)

    def queue(
        self,
        segmentationNode: Any,
        project: str,
        annotatorID: str = "",
        isWhole: bool = False,
        samePatientAs: str = "",
        confirm: Optional[Callable[[str], bool]] = None,
        wait: bool = False,
    ) -> Any:
        """Store a scan and what was drawn on it in a project, as a new case or as the next revision of its case.

        Args:
            segmentationNode: What was drawn; the scan is its reference volume.
            project: Folder of the project where the engine runs.
            annotatorID: Name to be recorded; never a patient's.
            isWhole: All slices were reviewed; otherwise those that were edited, marked or looked at.
            samePatientAs: Earlier case of the same patient, whose scans all stay on one side; empty: a new patient.
            confirm: Answers questions, for example whether an empty label map is meant; None asks in a dialog.
            wait: As of `segment`.

        Returns:
            With ``wait`` the engine's summary of the case, a dictionary; otherwise the `QueueJob`, already started.

        Raises:
            Problem: As `segment`; or the project refuses the case. Nothing was stored then.
        """
        volumeNode = referenceVolume(segmentationNode)
        if volumeNode is None:
            raise Problem(_("The scan of this segmentation is not in the scene, so it cannot be stored."))
        acceptance = Acceptance(segmentationNode.GetID(), project, annotatorID, isWhole, samePatientAs)
        return self._run(QueueJob(self.engine, volumeNode.GetID(), acceptance, confirm), wait)

    def openCase(self, project: str, caseID: str, window: Optional[Sequence[float]] = None, wait: bool = False) -> Any:
        """Load a case of a project with its label map, to look at it or to correct it.

        Args:
            project: As of `queue`.
            caseID: The case.
            window: Lowest and highest value shown; None: Slicer chooses.
            wait: As of `segment`.

        Returns:
            With ``wait`` the scan, a ``vtkMRMLScalarVolumeNode``; otherwise the `OpenCaseJob`, already started.

        Raises:
            Problem: There is no such case, or it is damaged; nothing was loaded.
        """
        return self._run(OpenCaseJob(self.engine, project, caseID, window), wait)

    def _run(self, job: Any, wait: bool) -> Any:
        job.start()
        _watchScene(job)
        return _waitFor(job) if wait else job


def _request(volumeNode: Any, model: str, device: str, roiNode: Any) -> ScanRequest:
    if volumeNode is None:
        raise Problem(_("No volume was given; load a scan and choose it."))
    return ScanRequest(volumeNode.GetID(), model, device, roiNode.GetID() if roiNode is not None else None)


def _watchScene(job: Any) -> None:
    """End a job when what it works on, or the scene, goes away."""

    def onRemoved(_caller: Any, _event: str, node: Any) -> None:
        if node.GetID() in job.nodeIDs():
            sentence = _("The {what} was deleted meanwhile, so the result was dropped.")
            isScan = node.IsA("vtkMRMLVolumeNode")
            job.abandon(Problem(sentence.format(what=_("scan") if isScan else _("segmentation"))))

    def onClose(_caller: Any, _event: str) -> None:
        job.abandon(Problem(_("The scene was closed meanwhile, so the result was dropped.")))

    onRemoved.CallDataType = vtk.VTK_OBJECT  # tells VTK to hand over the node
    scene = slicer.mrmlScene
    tags = [
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, onRemoved),
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, onClose),
    ]
    for signal in (job.finished, job.failed):
        signal.connect(lambda _outcome: [scene.RemoveObserver(tag) for tag in tags])


def _waitFor(job: Any) -> Any:
    """Run the event loop until a job ends; return what it made or raise its problem."""
    outcome: Dict[str, Any] = {}
    loop = qt.QEventLoop()

    def end(key: str, value: Any) -> None:
        outcome[key] = value
        loop.quit()

    job.finished.connect(lambda node: end("node", node))
    job.failed.connect(lambda problem: end("problem", problem))
    loop.exec()
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["node"]
