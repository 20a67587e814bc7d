"""The table of a project's cases, filled a few rows per turn of the event loop: a project may hold thousands."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import qt
from slicer.i18n import tr as _

from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

ROWS_PER_STEP = 40
DATE_LENGTH = len("2026-01-31")
STATES = {
    "unlabeled": _("no labels"),
    "queued": _("queued"),
    "trained": _("trained"),
    "excluded": _("excluded"),
}
SIDES = {
    "train": _("training"),
    "validation": _("validation"),
    "test": _("test"),
    "held_out": _("held out"),
}

Case = Dict[str, Any]
"""A case as the engine lists it."""


class CaseTable:
    """Rows of cases, the latest first.

    Attributes:
        selectionChanged: Emitted without values.
        cases: The cases listed.
    """

    def __init__(self, table: Any) -> None:
        self.selectionChanged = Signal()
        self.cases: List[Case] = []
        self._table = table
        self._steps: Optional[Steps] = None
        table.itemSelectionChanged.connect(self.selectionChanged.emit)

    def show(self, cases: List[Case]) -> None:
        """List other cases; those that were selected stay selected."""
        self.stop()
        selected = {case["case_id"] for case in self.selected()}
        self.cases = sorted(cases, key=lambda case: case["accepted"] or case["added"], reverse=True)
        wasBlocked = self._table.blockSignals(True)
        self._table.clearSelection()
        self._table.setRowCount(len(self.cases))
        self._table.blockSignals(wasBlocked)
        self._steps = Steps(self._fill(selected))
        self._steps.start()

    def stop(self) -> None:
        """Fill no further."""
        if self._steps is not None:
            self._steps.stop()

    def selected(self) -> List[Case]:
        """Return the selected cases."""
        rows = sorted({item.row() for item in self._table.selectedItems()})
        return [self.cases[row] for row in rows if row < len(self.cases)]

    def _fill(self, selected: Any) -> Any:
        for row, case in enumerate(self.cases):
            for column, (text, hint) in enumerate(zip(caseTexts(case), caseHints(case))):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(hint)
                self._table.setItem(row, column, item)
            if row % ROWS_PER_STEP == ROWS_PER_STEP - 1:
                yield
        if len(selected) == 1:  # the person stands at one; several are chosen again
            for row, case in enumerate(self.cases):
                if case["case_id"] in selected:
                    self._table.selectRow(row)
        self._table.resizeColumnsToContents()
        self.selectionChanged.emit()
        yield


def caseTexts(case: Case) -> List[str]:
    """Return the row of a case."""
    isLabeled, reviewed = case["revision"] is not None, case["reviewed_slices"]
    labels = _("none")
    if isLabeled:
        labels = _("rev. {revision}").format(revision=case["revision"])
        labels += _(", {count} open").format(count=len(case["unjudged_labels"])) if case["unjudged_labels"] else ""
    return [
        case["case_id"],
        STATES.get(case["state"], case["state"]),
        SIDES.get(case["split"], case["split"]) if isLabeled else "",
        labels,
        (_("all") if reviewed is None else f"{reviewed}/{case['slices']}") if isLabeled else "",
        "" if case["changed_voxels"] is None else str(case["changed_voxels"]),
        (case["accepted"] or case["added"])[:DATE_LENGTH],
    ]


def caseHints(case: Case) -> List[str]:
    """Return what the tool tips of a row say."""
    unjudged = case["unjudged_labels"]
    added = _("Added to the label table later, not judged in this scan: {names}.").format(names=", ".join(unjudged))
    by = _("Accepted by {name}.").format(name=case["annotator_id"]) if case["annotator_id"] else ""
    reviewed = _("Slices that a person vouches for; only these teach a model.")
    changed = _("Voxels that a person changed in the model's proposal.")
    return ["", "", case["split_reason"], added if unjudged else "", reviewed, changed, by]
