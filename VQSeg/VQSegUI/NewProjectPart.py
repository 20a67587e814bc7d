"""The part of the project section that makes a new project."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import slicer
from slicer.i18n import tr as _

from VQSegUI import LabelTable
from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.Problem import Problem

SEGMENTATION = "segmentation"
USUAL_NAME = "project"


class NewProjectPart:
    """Fields for folder, structures and intensity window of a new project."""

    def __init__(self, ui: Any, store: Any, state: Any, models: Any, chooser: Any) -> None:
        self._ui, self._store, self._state, self._models, self._chooser = ui, store, state, models, chooser
        ui.newProjectFrame.setVisible(False)
        ui.newProjectButton.clicked.connect(self._onNew)
        ui.newPathButton.clicked.connect(self._onChoosePath)
        ui.createProjectButton.clicked.connect(self._onCreate)
        state.changed.connect(lambda: ui.newProjectFrame.setVisible(False))

    def _onNew(self) -> None:
        ui = self._ui
        fillChoices(ui.newLabelsComboBox, self._sources())
        selectChoice(ui.newLabelsComboBox, self._store.parameters.model)
        if ui.newLabelsComboBox.currentIndex < 0:
            ui.newLabelsComboBox.setCurrentIndex(0)
        ui.newProjectFrame.setVisible(not ui.newProjectFrame.isVisible())

    def _sources(self) -> List[Tuple[str, str]]:
        """Return where a label table may come from."""
        rows = [(_("Model {name}").format(name=model["name"]), model["id"]) for model in self._usableModels()]
        node = self._segmentation()
        return (
            [(_("Segments of {name}").format(name=node.GetName()), SEGMENTATION)] if node is not None else []
        ) + rows

    def _usableModels(self) -> List[Dict[str, Any]]:
        return [model for model in self._models.models if model.get("labels") and not model.get("problem")]

    def _segmentation(self) -> Any:
        nodeID = self._store.parameters.segmentationNodeID
        return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None

    def _onChoosePath(self) -> None:
        path = self._chooser.newPath(_("Folder of the new project"), USUAL_NAME)
        if path:
            self._ui.newPathLineEdit.text = path

    def _onCreate(self) -> None:
        ui = self._ui
        try:
            labels = self._labels(ui.newLabelsComboBox.itemData(ui.newLabelsComboBox.currentIndex))
            path = ui.newPathLineEdit.text.strip()
            if not path:
                raise Problem(_("Choose a folder for the new project."))
        except Problem as problem:
            self._state.failed.emit(problem)
            return
        window = [ui.lowestSpinBox.value, ui.highestSpinBox.value]
        self._state.create(path, {"labels": labels}, intensity_window=window)

    def _labels(self, source: Any) -> List[Dict[str, Any]]:
        if source == SEGMENTATION and self._segmentation() is not None:
            labels = LabelTable.describedTable(self._segmentation())
        else:
            labels = next((model["labels"] for model in self._usableModels() if model["id"] == source), [])
        if not labels:
            raise Problem(_("Choose where the structures come from: a segmentation with segments, or a model."))
        return [{key: label.get(key) for key in LabelTable.LABEL_KEYS} for label in labels]
