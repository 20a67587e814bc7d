"""The part of the segment section in which a model is chosen, and chosen for those who do not."""

from __future__ import annotations

from typing import Any

from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.Models import describeModel


class ModelChoice:
    """List of models and the card of the chosen one.

    Attributes:
        picked: Model that is used because nobody chose one: the first usable in the list, where the model of the open
            project stands first. Empty when a person chose.
    """

    def __init__(self, ui: Any, store: Any, models: Any) -> None:
        self._ui, self._store, self._models = ui, store, models
        self.picked = ""
        ui.modelComboBox.currentIndexChanged.connect(self._onChosen)
        ui.modelComboBox.activated.connect(self._onChosen)  # also when it was picked already
        models.changed.connect(self._fill)
        models.added.connect(self._choose)
        store.changed.connect(self.update)

    def update(self) -> None:
        """Show what is chosen."""
        self._pick()
        chosen = self._store.parameters.model
        selectChoice(self._ui.modelComboBox, chosen)
        model = self._models.find(chosen)
        self._ui.modelCardLabel.text = describeModel(model) if model else ""

    def _fill(self) -> None:
        rows = [(model["name"] or model["path_name"], model["id"]) for model in self._models.models]
        fillChoices(self._ui.modelComboBox, rows)
        self.update()

    def _pick(self) -> None:
        """Choose the first usable model when the one chosen is not there, or none is, as in a new scene."""
        listed, chosen = self._models.models, self._store.parameters.model
        isMissing = self._models.find(chosen) is None and not self._models.isExpected(chosen)
        if listed and (isMissing or chosen == self.picked):
            usable = [model["id"] for model in listed if not model.get("problem")]
            self.picked = (usable or [listed[0]["id"]])[0]
            self._store.update(model=self.picked)

    def _onChosen(self, row: int) -> None:
        if row >= 0:
            self._choose(self._ui.modelComboBox.itemData(row))

    def _choose(self, modelID: str) -> None:
        self.picked = ""
        self._store.update(model=modelID)
