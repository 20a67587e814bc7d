"""The part of the project section that stores the accepted segmentation of a scan in the project."""

from __future__ import annotations

from typing import Any, Optional

import slicer
from slicer.i18n import tr as _

from VQSegUI.CaseNodes import caseOf
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.PatientPart import PatientPart
from VQSegUI.Problem import Problem
from VQSegUI.Proposal import isProposal
from VQSegUI.SegmentBridge import referenceVolume

ANNOTATOR_KEY = "VQSeg/AnnotatorID"


class QueuePart:
    """Choice of segmentation and patient, annotator, and the button."""

    def __init__(self, ui: Any, logic: Any, store: Any, log: Any, slot: JobSlot, state: Any, proposals: Any) -> None:
        self._ui, self._logic, self._store, self._slot, self._state = ui, logic, store, slot, state
        self._proposals, self._nodeID, self._queuedID, self._isWhole = proposals, "", "", False
        self._scanID = ""
        self._patient = PatientPart(ui)
        self._run = JobButton(ui.queueButton, ui.projectProgressBar, ui.projectStatusLabel, slot, log)
        ui.annotatorLineEdit.text = str(slicer.app.settings().value(ANNOTATOR_KEY) or "")
        ui.annotatorLineEdit.editingFinished.connect(self._onAnnotator)
        ui.queueSelector.currentNodeIDChanged.connect(lambda nodeID: store.update(segmentationNodeID=nodeID or None))
        ui.queueButton.clicked.connect(self._onClicked)
        store.changed.connect(self._onParametersChanged)
        slot.changed.connect(self._updateButton)
        state.changed.connect(self._updateButton)
        self._run.done.connect(self._onDone)
        self._onParametersChanged()

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._run.cancel()

    def _onAnnotator(self) -> None:
        slicer.app.settings().setValue(ANNOTATOR_KEY, self._ui.annotatorLineEdit.text.strip())

    def _onParametersChanged(self) -> None:
        nodeID = self._store.parameters.segmentationNodeID or ""
        self._ui.queueSelector.setCurrentNodeID(nodeID)
        if nodeID != self._nodeID:  # what was said about one scan does not hold for the next
            self._nodeID, self._ui.wholeCheckBox.checked = nodeID, False
        self._updateButton()

    def _onClicked(self) -> None:
        if self._run.job is not None:
            self._run.cancel()
            return
        self._isWhole, self._scanID = self._ui.wholeCheckBox.checked, self._drawnScanID()
        if self._proposal() is not None:
            self._proposals.acceptWaiting(self._onAccepted)
        else:
            self._queue()

    def _onAccepted(self, problem: Optional[Problem]) -> None:
        if problem is not None:
            self._run.showProblem(problem)
        elif self._drawnScanID() != self._scanID:
            self._run.showProblem(Problem(_("Another segmentation was chosen meanwhile, so nothing was queued.")))
        else:
            self._queue()

    def _queue(self) -> None:
        annotator, patient = self._ui.annotatorLineEdit.text.strip(), self._patient.chosen()
        try:
            job = self._logic.queue(self._segmentation(), self._state.path, annotator, self._isWhole, patient)
        except Problem as problem:
            self._run.showProblem(problem)
            return
        self._queuedID = self._nodeID
        self._run.follow(job)

    def _onDone(self, job: Any, case: Any) -> None:
        stored = _("Stored as '{case}', revision {revision}.").format(case=case["case_id"], revision=case["revision"])
        self._run.say(" ".join([stored, case["split_reason"], *job.notes]))
        if self._nodeID == self._queuedID:  # the person may be at the next scan already, and have ticked it there
            self._ui.wholeCheckBox.checked = False
        self._state.refresh()

    def _updateButton(self) -> None:
        node, proposal = self._segmentation(), self._proposal()
        self._patient.show(_node(self._drawnScanID()), self._state.path)
        missing = ""
        if not self._state.isOpen():
            missing = _("Open a project first.")
        elif node is None and proposal is None:
            missing = _("Segment the scan first, or choose a segmentation.")
        elif node is not None and isProposal(node):
            missing = _("Choose the segmentation that segments are accepted into, not the proposal.")
        elif node is not None and referenceVolume(node) is None:
            missing = _("The scan of this segmentation is not in the scene.")
        elif node is not None and proposal is not None and referenceVolume(proposal) is not referenceVolume(node):
            missing = _("The proposal that waits belongs to another scan than the segmentation; decide on it first.")
        self._run.update(missing, self._hint(node))

    def _hint(self, node: Any) -> str:
        scan = referenceVolume(node) if node is not None else None
        known = caseOf(scan, self._state.path) if scan is not None else ""
        if known:
            return _("Accept the proposal, if one waits, and store all as the next revision of '{case}'.").format(
                case=known
            )
        return _("Accept the proposal, if one waits, and store scan and labels in the project.")

    def _drawnScanID(self) -> str:
        """Return the scan that would be stored, empty when there is none."""
        node = self._segmentation() or self._proposal()
        scan = referenceVolume(node) if node is not None else None
        return scan.GetID() if scan is not None else ""

    def _segmentation(self) -> Any:
        return _node(self._store.parameters.segmentationNodeID)

    def _proposal(self) -> Any:
        node = _node(self._store.parameters.proposalNodeID)
        return node if isProposal(node) else None


def _node(nodeID: Optional[str]) -> Any:
    return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None
