"""The part of the project section that lists cases, opens, excludes, removes and exports them."""

from __future__ import annotations

from typing import Any, Dict, List

import slicer
from slicer.i18n import tr as _

from VQSegUI.CaseNodes import forgetCases
from VQSegUI.CaseTable import CaseTable
from VQSegUI.ChoiceBox import fillChoices
from VQSegUI.EngineJob import EngineJob
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.PathChooser import lastName
from VQSegUI.Problem import Problem

EXCLUDED = "excluded"
DICOM_SEG = "dicom-seg"
NAMED = 3
"""Cases that a sentence names at most."""
STATE_ROWS = [
    (_("All cases"), ""),
    (_("Queued: labels not trained on yet"), "queued"),
    (_("Trained"), "trained"),
    (_("Without labels"), "unlabeled"),
    (_("Excluded"), EXCLUDED),
]
FORMATS = {
    "nifti": (_("NIfTI"), "nifti-export"),
    "nnunet": (_("nnU-Net raw data set"), "Dataset500_VQSeg"),
    "decathlon": (_("Medical Segmentation Decathlon"), "Task50_VQSeg"),
    "volumes": (_("Volumes of segments (CSV)"), "volumes.csv"),
    DICOM_SEG: (_("DICOM segmentation of one case"), "segmentation.dcm"),
}
CHANGED = {
    "cases/exclude": _("Excluded: {names}."),
    "cases/include": _("Included again: {names}."),
    "cases/remove": _("Removed: {names}."),
}


class CasesPart:
    """Table of cases, and what can be done with those selected."""

    def __init__(self, ui: Any, logic: Any, log: Any, slot: JobSlot, state: Any, chooser: Any, opening: Any) -> None:
        self._ui, self._engine, self._log, self._state, self._chooser = ui, logic.engine, log, state, chooser
        self._opening, self._slot = opening, slot
        self._table = CaseTable(ui.casesTable)
        self._reply: Any = None
        self._export = JobButton(ui.exportCasesButton, ui.backgroundProgressBar, ui.backgroundStatusLabel, slot, log)
        fillChoices(ui.stateComboBox, STATE_ROWS)
        fillChoices(ui.formatComboBox, [(text, name) for name, (text, _suggested) in FORMATS.items()])
        self._connect()
        self._updateButtons()

    def cancel(self) -> None:
        """Stop the work under way, if any."""
        self._table.stop()
        self._export.cancel()

    def _connect(self) -> None:
        ui = self._ui
        ui.casesCollapsibleButton.contentsCollapsed.connect(lambda _isCollapsed: self._reload())
        ui.stateComboBox.currentIndexChanged.connect(lambda _row: self._reload())
        ui.openCaseButton.clicked.connect(self._onOpen)
        ui.casesTable.cellDoubleClicked.connect(lambda _row, _column: self._onOpen())
        ui.excludeButton.clicked.connect(self._onExclude)
        ui.removeCaseButton.clicked.connect(self._onRemove)
        ui.exportCasesButton.clicked.connect(self._onExport)
        self._state.changed.connect(self._reload)
        self._table.selectionChanged.connect(self._updateButtons)
        self._slot.changed.connect(self._updateButtons)
        self._opening.changed.connect(self._updateButtons)
        self._export.done.connect(self._onExported)

    def _reload(self) -> None:
        """Ask for the cases, unless nobody looks at them."""
        self._reply = None
        if not self._state.isOpen():
            self._table.show([])
        elif not self._ui.casesCollapsibleButton.collapsed:
            state = self._ui.stateComboBox.itemData(self._ui.stateComboBox.currentIndex)
            params = {"project": self._state.path, **({"state": state} if state else {})}
            reply = self._reply = self._engine.request("cases/list", params)
            reply.succeeded.connect(lambda answer: self._table.show(answer["cases"]) if reply is self._reply else None)
            reply.failed.connect(self._export.showProblem)

    def _selected(self) -> List[str]:
        return [case["case_id"] for case in self._table.selected()]

    def _onOpen(self) -> None:
        if self._opening.isBusy():
            self._opening.cancel()
        elif len(self._selected()) == 1:
            self._opening.open(self._selected()[0])

    def _onExclude(self) -> None:
        method = "cases/include" if self._areExcluded() else "cases/exclude"
        self._change(method, self._selected())

    def _onRemove(self) -> None:
        ids = self._selected()
        question = _("Remove {names} with all files and label maps from the project? This cannot be taken back.")
        names = ", ".join(ids) if len(ids) <= NAMED else _("{count} cases").format(count=len(ids))
        if slicer.util.confirmOkCancelDisplay(question.format(names=names), windowTitle=_("Remove cases")):
            self._change("cases/remove", ids)

    def _change(self, method: str, ids: List[str]) -> None:
        project = self._state.path
        reply = self._engine.request(method, {"project": project, "cases": ids})
        reply.failed.connect(self._onRefused)
        reply.succeeded.connect(lambda _answer: self._onChanged(method, project, ids))

    def _onChanged(self, method: str, project: str, ids: List[str]) -> None:
        if method == "cases/remove":
            forgetCases(project, ids)
        self._export.say(CHANGED[method].format(names=", ".join(ids)))
        self._state.refresh()

    def _onRefused(self, problem: Problem) -> None:
        self._export.showProblem(problem)
        self._state.refresh()

    def _onExport(self) -> None:
        if self._export.job is not None:
            self._export.cancel()
            return
        params = self._exportParams()
        if params:
            self._export.follow(EngineJob(self._engine, "cases/export", params).start())

    def _exportParams(self) -> Dict[str, Any]:
        """Return what is to be exported where; empty when the person changed their mind."""
        ids, form = self._selected(), self._ui.formatComboBox.itemData(self._ui.formatComboBox.currentIndex)
        params: Dict[str, Any] = {"project": self._state.path, "format": form, **({"cases": ids} if ids else {})}
        if form == DICOM_SEG:
            params["series"] = self._chooser.folder(_("DICOM series that the case was made from"))
        suggested = FORMATS[form][1]
        isChosen = params.get("series", "-")
        output = self._chooser.newPath(_("Where to export to"), suggested) if isChosen else ""
        return {**params, "output": output} if output else {}

    def _onExported(self, _job: Any, answer: Dict[str, Any]) -> None:
        count = len(answer["train"]) + len(answer["test"])
        done = _("Exported {count} cases to '{name}'.").format(count=count, name=lastName(answer["output"]))
        leftOut = [f"{case}: {reason}" for case, reason in answer["left_out"].items()]
        self._export.say(" ".join([done, *answer["notes"], *leftOut[:NAMED]]))

    def _areExcluded(self) -> bool:
        selected = self._table.selected()
        return bool(selected) and all(case["state"] == EXCLUDED for case in selected)

    def _updateButtons(self) -> None:
        ui, count = self._ui, len(self._table.selected())
        missing = "" if count == 1 else _("Select one case in the table.")
        self._opening.update(missing)
        ui.excludeButton.text = _("Include") if self._areExcluded() else _("Exclude")
        ui.excludeButton.toolTip = _("Excluded cases stay in the project but are used for nothing.")
        ui.removeCaseButton.toolTip = _("Remove the selected cases with all their files.")
        ui.excludeButton.enabled = ui.removeCaseButton.enabled = count > 0
        self._export.update("", _("Export the selected cases, or all that have labels when none is selected."))
