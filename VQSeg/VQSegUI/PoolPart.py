"""The part of the project section for scans without labels: adding them, and which one to label next."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import qt
from slicer.i18n import tr as _

from VQSegUI.EngineJob import EngineJob
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.Models import modelFile
from VQSegUI.PathChooser import lastName

SCANS_LISTED = 10
SHOWN_FAILURES = 3


class PoolPart:
    """Buttons that add scans, and the list of the next ones to annotate."""

    def __init__(
        self,
        ui: Any,
        logic: Any,
        store: Any,
        log: Any,
        slots: Tuple[JobSlot, JobSlot],
        state: Any,
        models: Any,
        chooser: Any,
        opening: Any,
    ) -> None:
        """Make the part; ``slots`` are what needs the model, and what is done with many cases beside it."""
        self._ui, self._engine, self._store, self._log = ui, logic.engine, store, log
        self._state, self._models, self._chooser, self._opening = state, models, chooser, opening
        slot, background = slots
        self._add = JobButton(ui.addFolderButton, ui.backgroundProgressBar, ui.backgroundStatusLabel, background, log)
        bar, label = ui.nextScansProgressBar, ui.nextScansStatusLabel
        self._next = JobButton(ui.nextScansButton, bar, label, slot, log, givesWay=True)
        self._scans: List[Dict[str, Any]] = []
        self._project = ""
        header = ui.nextScansTable.horizontalHeader()
        header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(1, qt.QHeaderView.Stretch)
        ui.nextScansTable.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        ui.addFilesButton.clicked.connect(self._onAddFiles)
        ui.addFolderButton.clicked.connect(self._onAddFolder)
        ui.nextScansButton.clicked.connect(self._onNext)
        ui.nextScansTable.cellClicked.connect(lambda row, _column: self._onScanClicked(row))
        self._add.done.connect(self._onAdded)
        self._next.done.connect(self._onRanked)
        state.changed.connect(self._onProjectChanged)
        for changed in (slot.changed, background.changed, store.changed, models.changed):
            changed.connect(self._updateButtons)
        self._onProjectChanged()

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._add.cancel()
        self._next.cancel()

    def _onAddFiles(self) -> None:
        self._addScans(self._chooser.files(_("Scans without labels")))

    def _onAddFolder(self) -> None:
        if self._add.job is not None:
            self._add.cancel()
            return
        folder = self._chooser.folder(_("Folder of scans or of DICOM series"))
        self._addScans([folder] if folder else [])

    def _addScans(self, paths: List[str]) -> None:
        if paths:
            params = {"project": self._state.path, "paths": paths}
            self._add.follow(EngineJob(self._engine, "cases/add_scans", params).start())

    def _onAdded(self, _job: Any, answer: Dict[str, Any]) -> None:
        added = _("Added {count} scans without labels.").format(count=len(answer["imported"]))
        failed = [_("Not added: {count}.").format(count=len(answer["failed"]))] if answer["failed"] else []
        reasons = [f"{lastName(name)}: {reason}" for name, reason in list(answer["failed"].items())[:SHOWN_FAILURES]]
        self._add.say(" ".join([added, *failed, *reasons]))
        self._state.refresh()

    def _onNext(self) -> None:
        if self._next.job is not None:
            self._next.cancel()
            return
        params = {"project": self._state.path, "limit": SCANS_LISTED, "device": self._store.parameters.device or "auto"}
        if self._state.activeModel() is None:
            params["model"] = modelFile(self._models.find(self._store.parameters.model))
        self._project = self._state.path
        self._next.follow(EngineJob(self._engine, "cases/next", params).start())

    def _onRanked(self, _job: Any, answer: Dict[str, Any]) -> None:
        self._show(answer["scans"] if self._project == self._state.path else [])
        text = _("{count} of {pool} scans without labels, the most useful first; click one to open it.")
        failed = [f"{case}: {reason}" for case, reason in list(answer["failed"].items())[:SHOWN_FAILURES]]
        self._next.say(" ".join([text.format(count=len(answer["scans"]), pool=answer["pool"]), *failed]))

    def _show(self, scans: List[Dict[str, Any]]) -> None:
        self._scans, table = scans, self._ui.nextScansTable
        table.setRowCount(len(scans))
        for row, scan in enumerate(scans):
            for column, text in enumerate((scan["case_id"], scan["reason"])):
                table.setItem(row, column, qt.QTableWidgetItem(text))

    def _onScanClicked(self, row: int) -> None:
        if row < len(self._scans) and not self._opening.isBlocked():
            self._opening.open(self._scans[row]["case_id"])

    def _onProjectChanged(self) -> None:
        if self._project != self._state.path:
            self._show([])
        self._updateButtons()

    def _updateButtons(self) -> None:
        counts = self._state.information.get("counts", {})
        missing = ""
        if not counts.get("unlabeled"):
            missing = _("The project holds no scan without labels; add some first.")
        elif self._state.activeModel() is None and self._models.find(self._store.parameters.model) is None:
            missing = _("The models are listed when the engine is ready.")
        self._next.update(missing, _("Rank the scans without labels by what a model would learn from them."))
        folder = _("Add all scans and DICOM series below a folder, in the background.")
        self._add.update("", folder)
        self._ui.addFilesButton.enabled = self._ui.addFolderButton.enabled and self._add.job is None
        self._ui.addFilesButton.toolTip = _("Add image files, in the background.")
