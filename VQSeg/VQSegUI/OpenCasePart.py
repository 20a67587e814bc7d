"""What opens a case in the scene, whichever table it was chosen in."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from VQSegUI.CaseNodes import nodesOf
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.OpenCaseJob import showVolume
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.Signal import Signal


class OpenCasePart:
    """Button and progress of an opening.

    Attributes:
        opened: Emitted without values when a case is in the scene.
        changed: Emitted without values when something begins or ends that an opening would have to wait for.
    """

    def __init__(self, ui: Any, logic: Any, store: Any, log: Any, slot: JobSlot, state: Any) -> None:
        self.opened, self.changed = Signal(), slot.changed
        self._slot = slot
        self._logic, self._store, self._state = logic, store, state
        self._run = JobButton(ui.openCaseButton, ui.projectProgressBar, ui.projectStatusLabel, slot, log)
        self._run.done.connect(self._onDone)

    def open(self, caseID: str) -> None:
        """Open a case, or show it when it is open already."""
        volumes = nodesOf(self._state.path, [caseID], "vtkMRMLScalarVolumeNode")
        if volumes:
            nodes = nodesOf(self._state.path, [caseID], "vtkMRMLSegmentationNode")
            own = [node for node in nodes if referenceVolume(node) is volumes[0]]
            self._show(volumes[0], own[0] if own else None)
            self._run.say(_("'{case}' was open already.").format(case=caseID))
        else:
            window = self._state.information.get("intensity_window")
            self._run.follow(self._logic.openCase(self._state.path, caseID, window))

    def isBusy(self) -> bool:
        """Return whether a case is being opened."""
        return self._run.job is not None

    def isBlocked(self) -> bool:
        """Return whether an opening has to wait until something else is done."""
        return self._slot.isTaken()

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._run.cancel()

    def update(self, missing: str) -> None:
        """Let the button be clicked unless something is missing."""
        hint = _("Open scan and labels; when they are corrected, Accept and queue stores the next revision.")
        self._run.update(missing, hint)

    def _onDone(self, job: Any, volumeNode: Any) -> None:
        self._show(volumeNode, job.segmentationNode)
        labeled = _("Opened '{case}'; correct it, then accept and queue it again.")
        unlabeled = _("Opened '{case}', which has no labels yet; segment it above.")
        sentence = unlabeled if job.segmentationNode is None else labeled
        self._run.say(sentence.format(case=volumeNode.GetName()))

    def _show(self, volumeNode: Any, segmentationNode: Any) -> None:
        showVolume(volumeNode)
        nodeID = segmentationNode.GetID() if segmentationNode is not None else None
        self._store.update(inputVolumeID=volumeNode.GetID(), segmentationNodeID=nodeID, roiNodeID=None)
        self.opened.emit()
