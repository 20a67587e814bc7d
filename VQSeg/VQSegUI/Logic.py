"""What scripts and the panel do alike: `VQSegLogic().segment(volumeNode)`."""

from __future__ import annotations

from typing import Any, Dict

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from VQSegUI.Engine import Engine
from VQSegUI.EngineSource import EngineSource
from VQSegUI.Parameters import parameterNode
from VQSegUI.Problem import Problem
from VQSegUI.SegmentJob import SegmentJob, SegmentRequest

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
    """Segments scans with the engine; holds no widgets.

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
        if volumeNode is None:
            raise Problem(_("No volume was given; load a scan and choose it."))
        roiID = roiNode.GetID() if roiNode is not None else None
        job = SegmentJob(self.engine, SegmentRequest(volumeNode.GetID(), model, device, roiID))
        job.start()
        _watchScene(job)
        return _waitFor(job) if wait else job


def _watchScene(job: SegmentJob) -> None:
    """End a job whose scan or scene goes away."""

    def onRemoved(_caller: Any, _event: str, node: Any) -> None:
        if node.GetID() == job.request.volumeNodeID:
            job.abandon(Problem(_("The scan was deleted while it was being segmented, so the result was dropped.")))

    def onClose(_caller: Any, _event: str) -> None:
        job.abandon(Problem(_("The scene was closed while a scan was being segmented, so the result was dropped.")))

    onRemoved.CallDataType = vtk.VTK_OBJECT  # tells VTK to hand over the node
    scene = slicer.mrmlScene
    tags = [
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, onRemoved),
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, onClose),
    ]
    for signal in (job.finished, job.failed):
        signal.connect(lambda _outcome: [scene.RemoveObserver(tag) for tag in tags])


def _waitFor(job: SegmentJob) -> Any:
    """Run the event loop until a job ends; return its proposal or raise its problem."""
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
