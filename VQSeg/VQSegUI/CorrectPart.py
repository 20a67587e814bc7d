"""The part of the review section in which a person corrects, marks slices as reviewed, refines and exports."""

from __future__ import annotations

from typing import Any, Dict, Optional

import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI.EditWatch import EditWatch
from VQSegUI.JobButton import JobButton, JobSlot, logAnswer
from VQSegUI.LabelTable import modelOf
from VQSegUI.Problem import Problem
from VQSegUI.ReviewMarks import Marks, readMarks, writeMarks
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.SegmentEditor import SegmentEditor
from VQSegUI.Signal import Signal
from VQSegUI.SliceViews import shownSlices
from VQSegUI.SliceWatch import SliceWatch

REMEMBER_KEY = "VQSeg/RememberSlices"


class CorrectPart:
    """Editor, review marks, and what is done with the corrections.

    Attributes:
        proposed: Emitted with the proposal node of a refinement.
        reviewedChanged: Emitted with the reviewed slices.
        editor: The embedded Segment Editor.
    """

    def __init__(self, ui: Any, logic: Any, store: Any, log: Any, slot: JobSlot) -> None:
        self.proposed, self.reviewedChanged = Signal(), Signal()
        self._ui, self._logic, self._store, self._log = ui, logic, store, log
        self._refine = JobButton(ui.refineButton, ui.reviewProgressBar, ui.reviewStatusLabel, slot, log)
        self._export = JobButton(ui.exportButton, ui.reviewProgressBar, ui.reviewStatusLabel, slot, log)
        self.editor = SegmentEditor()
        ui.rememberCheckBox.checked = slicer.util.settingsValue(REMEMBER_KEY, True, converter=slicer.util.toBool)
        ui.editorFrame.layout().addWidget(self.editor.widget)
        self._edits, self._looks = EditWatch(), SliceWatch(self._shownSlices)
        self._isEntered = False
        self._connect()

    def update(self) -> None:
        """Show what scene and parameters say now."""
        node = self._segmentation()
        self._ui.correctFrame.setVisible(node is not None)
        self.editor.edit(node, self._volume())
        self._edits.watch(node)
        self._watchSlices()
        self.updateMarks()

    def updateMarks(self) -> None:
        """Show which slices are reviewed, and let the buttons be clicked when all they need is there."""
        node, volumeNode = self._segmentation(), self._volume()
        marks = readMarks(node) if node is not None else Marks()
        reviewed = marks.reviewed(self._edits.edited)
        if volumeNode is not None:
            count = volumeNode.GetImageData().GetDimensions()[2]
            text = _("{done} of {count} slices reviewed ({edited} edited, {right} marked as right).")
            edited = len(self._edits.edited - marks.open)
            self._ui.reviewedLabel.text = text.format(
                done=len(reviewed), count=count, edited=edited, right=len(marks.right)
            )
        self._updateButtons(marks)
        self.reviewedChanged.emit(reviewed)

    def enter(self) -> None:
        """The panel is shown."""
        self._isEntered = True
        self.editor.enter()
        self._watchSlices()

    def exit(self) -> None:
        """Another module is shown: nobody reviews."""
        self._isEntered = False
        self.editor.exit()
        self._looks.stop()

    def forgetScene(self) -> None:
        """The scene is closed."""
        self.editor.edit(None, None)
        self._edits.watch(None)
        self._looks.stop()

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._refine.cancel()
        self._export.cancel()

    def mark(self) -> None:
        """Mark the slice that is shown as right."""
        self._changeMarks(lambda marks, k: marks.mark(k))

    def _connect(self) -> None:
        ui = self._ui
        ui.markButton.clicked.connect(self.mark)
        ui.unmarkButton.clicked.connect(lambda: self._changeMarks(lambda marks, k: marks.unmark(k)))
        ui.rememberCheckBox.toggled.connect(lambda checked: slicer.app.settings().setValue(REMEMBER_KEY, checked))
        ui.refineButton.clicked.connect(self._onRefine)
        ui.exportButton.clicked.connect(self._onExport)
        self._edits.changed.connect(self.updateMarks)
        self._looks.looked.connect(self._onLooked)
        self._looks.moved.connect(self.updateMarks)
        self._refine.done.connect(self._onRefined)
        self._export.done.connect(self._onExported)

    def _watchSlices(self) -> None:
        wanted = self._isEntered and self._segmentation() is not None and self._volume() is not None
        if wanted and not self._looks.isWatching():
            self._looks.start()
        elif not wanted:
            self._looks.stop()

    def _onLooked(self, k: int) -> None:
        if self._ui.rememberCheckBox.checked and self._segmentation() is not None:
            writeMarks(self._segmentation(), readMarks(self._segmentation()).look(k))
            self.updateMarks()

    def _changeMarks(self, change: Any) -> None:
        node, k = self._segmentation(), self._shownSlice()
        if node is not None and k is not None:
            writeMarks(node, change(readMarks(node), k))
            self.updateMarks()

    def _updateButtons(self, marks: Marks) -> None:
        ui, k = self._ui, self._shownSlice()
        ui.markButton.enabled = k is not None
        ui.unmarkButton.enabled = k is not None and k in marks.reviewed(self._edits.edited)
        isHidden = _("No slice view shows slices of the scan with this segmentation.")
        hint = _("Slice {k}: it counts as reviewed and teaches the model (M).")
        ui.markButton.toolTip = hint.format(k=k) if k is not None else isHidden
        ui.unmarkButton.toolTip = _("The slice that is shown does not count as reviewed, even if it was edited.")
        refine = _("Slices you edited or marked as right teach the model about this scan; the rest is proposed again.")
        missing = ""
        if self._segmentation() is None or not modelOf(self._segmentation()):
            missing = _("Choose a segmentation that came from VQSeg.")
        elif not (self._edits.edited | marks.right) - marks.open:
            missing = _("Correct a slice first: edit it in the Segment Editor, or mark it as right.")
        self._refine.update(missing, refine)
        ui.refineButton.setVisible(self._logic.engine.can("refine"))
        noScan = "" if self._volume() is not None else _("The scan of this segmentation is not in the scene.")
        self._export.update(noScan, _("Write scan, label map and label table into a new folder."))

    def _onRefine(self) -> None:
        self._toggle(
            self._refine, lambda: self._logic.refine(self._segmentation(), device=self._store.parameters.device)
        )

    def _onExport(self) -> None:
        if self._export.job is not None:
            self._export.cancel()
            return
        folder = qt.QFileDialog.getExistingDirectory(self._ui.exportButton, _("Folder for the labeled scan"))
        if folder:
            self._toggle(self._export, lambda: self._logic.export(self._segmentation(), folder))

    def _toggle(self, run: JobButton, start: Any) -> None:
        """Cancel what runs, or start it."""
        if run.job is not None:
            run.cancel()
            return
        try:
            run.follow(start())
        except Problem as problem:
            run.showProblem(problem)

    def _onRefined(self, job: Any, proposalNode: Any) -> None:
        logAnswer(self._log, _("Refined"), job.result)
        done = _("Refined; your corrected slices are as you drew them. Accept or reject the proposal.")
        self._refine.say(" ".join([done, *job.notes]))
        self.proposed.emit(proposalNode)

    def _onExported(self, job: Any, folder: str) -> None:
        self._export.say(" ".join([_("Written to {folder}.").format(folder=folder), *job.notes]))

    def _shownSlices(self) -> Dict[str, int]:
        node, volumeNode = self._segmentation(), self._volume()
        return shownSlices(volumeNode, node) if node is not None and volumeNode is not None else {}

    def _shownSlice(self) -> Optional[int]:
        return next(iter(self._shownSlices().values()), None)

    def _segmentation(self) -> Any:
        nodeID = self._store.parameters.reviewedNodeID
        return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None

    def _volume(self) -> Any:
        node = self._segmentation()
        volumeNode = referenceVolume(node) if node is not None else None
        return volumeNode if volumeNode is not None and volumeNode.GetImageData() is not None else None
