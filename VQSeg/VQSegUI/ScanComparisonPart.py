"""The part of the models section in which a person looks at what two models make of the scan at hand."""

from __future__ import annotations

from typing import Any, List

import slicer
from slicer.i18n import tr as _

from VQSegUI.CompareJob import ComparedModel
from VQSegUI.CompareView import CompareView
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.Problem import Problem
from VQSegUI.Proposal import segmentIDs
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.Segments import isUntouched
from VQSegUI.Signal import Signal


class ScanComparisonPart:
    """Button, and what to keep of the two proposals.

    Args:
        ui: Widgets of the section.
        logic: Starts the work.
        store: The panel's parameters.
        log: The panel's log.
        slot: Slot of the one long piece of work at a time.
        shelf: The `ModelShelf`.
        shelfPart: Knows the selected models.

    Attributes:
        proposed: Emitted with the proposal that is to be decided about.
    """

    def __init__(self, ui: Any, logic: Any, store: Any, log: Any, slot: JobSlot, shelf: Any, shelfPart: Any) -> None:
        self.proposed = Signal()
        self._ui, self._logic, self._store, self._log = ui, logic, store, log
        self._shelf, self._shelfPart = shelf, shelfPart
        self._run = JobButton(ui.compareScanButton, ui.modelsProgressBar, ui.modelsStatusLabel, slot, log)
        self._view = CompareView()
        ui.compareScanButton.clicked.connect(self._onClicked)
        ui.keepLeftButton.clicked.connect(lambda: self._keep([0]))
        ui.keepRightButton.clicked.connect(lambda: self._keep([1]))
        ui.keepBothButton.clicked.connect(lambda: self._keep([0, 1]))
        self._run.done.connect(self._onDone)
        slot.changed.connect(self.update)
        self.update()

    def update(self) -> None:
        """Let the button be clicked when all it needs is there, and say what is compared."""
        missing = ""
        if self._store.parameters.inputVolumeID is None:
            missing = _("Choose an input volume in the section Segment.")
        elif not self._shelfPart.pair():
            missing = _("Select one model to compare with the one in use, or two.")
        hint = _("Segment the input volume with the model in use and the selected one, or with two selected ones.")
        self._run.update(missing, hint)
        shown = self._view.shown()
        if None in shown or (self._view.isShown() and not shown):
            self._view.end()  # one was accepted, rejected or deleted
            shown = []
        self._ui.keepFrame.setVisible(bool(shown))
        if shown:
            left, right = (node.GetName() for node in shown)
            self._ui.keepLabel.text = _("Left: {left}. Right: {right}.").format(left=left, right=right)

    def forgetScene(self) -> None:
        """The scene is closed: the views are put back."""
        self._view.forgetScene()
        self._ui.keepFrame.setVisible(False)

    def release(self) -> None:
        """Stop the work, and put the views back."""
        self._run.cancel()
        self._view.end()

    def _onClicked(self) -> None:
        if self._run.job is not None:
            self._run.cancel()
            return
        parameters, scene = self._store.parameters, slicer.mrmlScene
        first, second = [ComparedModel(self._shelf.path(each["id"]), each["name"]) for each in self._shelfPart.pair()]
        volumeNode = scene.GetNodeByID(parameters.inputVolumeID)
        roiNode = scene.GetNodeByID(parameters.roiNodeID) if parameters.roiNodeID else None
        self._view.end()
        try:
            job = self._logic.compare(volumeNode, (first, second), parameters.device, roiNode)
        except Problem as problem:
            self._run.showProblem(problem)
            return
        self._log.add(_("Compare '{old}' and '{new}' on this scan").format(old=first.name, new=second.name))
        self._run.follow(job)

    def _onDone(self, job: Any, proposals: List[Any]) -> None:
        left, right = proposals
        self._view.show(referenceVolume(right), left, right)
        done = _("Both proposals are shown side by side; scroll, and say which one to keep.")
        self._run.say(" ".join([done, *dict.fromkeys(job.notes)]))
        self.proposed.emit(right)
        self.update()

    def _keep(self, kept: List[int]) -> None:
        """End the comparison; a proposal that is not kept is removed unless a person edited it."""
        self.update()  # one of them may be gone meanwhile
        shown = self._view.shown()
        if not shown:
            return
        self._view.end()
        for number, node in enumerate(shown):
            if number not in kept and _isWholeUntouched(node):
                slicer.mrmlScene.RemoveNode(node)
        self._run.say(_("The comparison is over; accept or reject the proposal in its section."))
        self.proposed.emit(shown[kept[-1]])
        self.update()


def _isWholeUntouched(segmentationNode: Any) -> bool:
    return all(isUntouched(segmentationNode, each) for each in segmentIDs(segmentationNode))
