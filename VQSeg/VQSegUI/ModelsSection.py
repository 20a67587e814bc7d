"""The section with the project's models: which is in use, how they compare, and going forward and back."""

from __future__ import annotations

from typing import Any, Dict

import slicer

from VQSegUI.ComparisonPart import ComparisonPart
from VQSegUI.JobButton import JobSlot
from VQSegUI.Resources import resourcePath
from VQSegUI.ScanComparisonPart import ScanComparisonPart
from VQSegUI.ShelfPart import ShelfPart


class ModelsSection:
    """Models section of the panel.

    Attributes:
        widget: What is put into the panel.
        proposed: Emitted with a proposal node that is to be decided about.
        promoted: Emitted without values when another model is in use at the person's wish.
    """

    def __init__(self, logic: Any, store: Any, log: Any, slot: JobSlot, project: Any, shelf: Any, watch: Any) -> None:
        self.widget = slicer.util.loadUI(resourcePath("UI/ModelsSection.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._project, self._watch, self._shownRun = project, watch, ""
        self._comparison = ComparisonPart(ui)
        self._shelfPart = ShelfPart(ui, logic, store, project, shelf, self._comparison, log)
        self._onScan = ScanComparisonPart(ui, logic, store, log, slot, shelf, self._shelfPart)
        self.promoted, self.proposed = self._shelfPart.promoted, self._onScan.proposed
        ui.modelsTable.itemSelectionChanged.connect(self._onScan.update)
        store.changed.connect(self._onScan.update)
        shelf.changed.connect(self._onShelfChanged)
        watch.changed.connect(self._showRun)
        project.changed.connect(self._onProjectChanged)
        self._onProjectChanged()

    def setScene(self, _scene: Any) -> None:
        """Look whether the scene holds a comparison."""
        self._onScan.update()

    def follow(self) -> None:
        """Something was accepted or rejected: one of two compared proposals may be gone."""
        self._onScan.update()

    def forgetScene(self) -> None:
        """The scene is closed."""
        self._onScan.forgetScene()

    def release(self) -> None:
        """Stop what is under way."""
        self._shelfPart.release()
        self._onScan.release()

    def _onProjectChanged(self) -> None:
        self._ui.modelsCollapsibleButton.setVisible(self._project.isOpen())

    def _onShelfChanged(self) -> None:
        self._onScan.update()
        self._showRun()

    def _showRun(self) -> None:
        """Show how the model of a finished run compares, once per run, and select it as soon as it is listed."""
        run = self._watch.run or {}
        result: Dict[str, Any] = run.get("result") or {}
        if result.get("model_id") and run["run_id"] != self._shownRun:
            self._comparison.show(result.get("comparison"))
            self._shelfPart.select(result["model_id"])
            if [model["id"] for model in self._shelfPart.chosen()] == [result["model_id"]]:
                self._shownRun = run["run_id"]
