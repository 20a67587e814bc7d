"""The part of the models section that lists the models and lets a person compare, promote, roll back and export."""

from __future__ import annotations

from typing import Any, Dict, List

from slicer.i18n import tr as _

from VQSegUI.Annotator import annotatorParams
from VQSegUI.Comparison import NOT_KNOWN
from VQSegUI.EngineJob import EngineJob
from VQSegUI.JobButton import JobButton, JobSlot
from VQSegUI.ModelShelf import ShelvedModel
from VQSegUI.PathChooser import PathChooser
from VQSegUI.Signal import Signal
from VQSegUI.TextTable import fillTable, prepareTable


class ShelfPart:
    """Table of models and its buttons.

    Attributes:
        promoted: Emitted without values when another model is in use at the person's wish.
    """

    def __init__(self, ui: Any, logic: Any, store: Any, project: Any, shelf: Any, comparison: Any, log: Any) -> None:
        self.promoted = Signal()
        self._ui, self._engine, self._store, self._project, self._shelf = ui, logic.engine, store, project, shelf
        self._comparison, self._chooser = comparison, PathChooser(logic.engine, ui.exportModelButton)
        self._slot, self._shown, self._path = JobSlot(), [], ""
        self._asked = self._refused = ""
        buttons = (ui.compareButton, ui.promoteButton, ui.adoptButton, ui.exportModelButton, ui.promoteAnywayButton)
        self._compare, self._promote, self._adopt, self._export, self._anyway = self._runs = [
            JobButton(button, ui.modelsProgressBar, ui.modelsStatusLabel, self._slot, log) for button in buttons
        ]
        prepareTable(ui.modelsTable)
        self._askForReason("")
        self._connect()
        self.update()

    def chosen(self) -> List[ShelvedModel]:
        """Return the selected models, the older one first."""
        table = self._ui.modelsTable
        rows = {item.row() for item in table.selectedItems()}
        return [model for row, model in enumerate(self._shelf.models) if row in rows]

    def select(self, modelID: str) -> None:
        """Select one model."""
        ids = [model["id"] for model in self._shelf.models]
        if modelID in ids:
            self._ui.modelsTable.selectRow(ids.index(modelID))

    def update(self) -> None:
        """List the models that there are now."""
        if self._project.path != self._path:
            self._path = self._project.path
            self._cancel()
            self._comparison.show(None)
            self._askForReason("")
            self._ui.modelsStatusLabel.text = ""
        rows = [_describe(model) for model in self._shelf.models]
        if rows != self._shown:  # otherwise the selection would be lost for nothing
            chosen = [model["id"] for model in self.chosen()]
            self._shown = rows
            fillTable(self._ui.modelsTable, rows)
            self.select(chosen[0] if len(chosen) == 1 else "")
        self.updateButtons()

    def updateButtons(self) -> None:
        """Let the buttons be clicked when all they need is there."""
        ui, chosen = self._ui, self.chosen()
        none = "" if self._shelf.models else _("The project has no model yet; train one, or add one.")
        one = none or ("" if len(chosen) == 1 else _("Select one model."))
        ownUse = _("This model is in use already.") if one == "" and chosen[0].get("is_in_use") else ""
        two = none or ("" if self.pair() else _("Select one model to compare with the one in use, or two."))
        self._compare.update(two, _("Compare with the model in use, or two selected ones, on the held-out scans."))
        self._promote.update(one or ownUse, _("Use this model from now on, unless it is worse on the held-out scans."))
        self._export.update(one, _("Copy the model into a file of its own, to be used elsewhere."))
        other = self._store.parameters.model
        ours = "" if other and other != self._project.path else _("Choose another model in the section Segment first.")
        self._adopt.update(
            ours, _("Copy the model that is chosen in the section Segment into the project, and use it.")
        )
        reason = "" if ui.reasonLineEdit.text.strip() else _("Say why first.")
        self._anyway.update(reason, _("Use the model from now on, with this reason in the history."))
        ui.rollBackButton.enabled = self._shelf.canRollBack and not self._slot.isTaken()
        back = _("Use the model from before the last promotion again.")
        ui.rollBackButton.toolTip = back if self._shelf.canRollBack else _("There is no model to go back to.")

    def pair(self) -> List[ShelvedModel]:
        """Return the two models to compare, the older or used one first; empty when there are not two.

        One selected model is compared with the one in use, and that one with the one before it.
        """
        chosen = self.chosen()
        if len(chosen) == 1:
            other = self._shelf.before() if chosen[0].get("is_in_use") else self._shelf.inUse()
            chosen = [other, *chosen] if other is not None else []
        return chosen if len(chosen) == 2 and not any(model.get("problem") for model in chosen) else []

    def release(self) -> None:
        """Stop what is under way."""
        self._cancel()

    def _connect(self) -> None:
        ui = self._ui
        ui.modelsTable.itemSelectionChanged.connect(self._onSelectionChanged)
        ui.compareButton.clicked.connect(self._onCompare)
        ui.promoteButton.clicked.connect(self._onPromote)
        ui.adoptButton.clicked.connect(self._onAdopt)
        ui.promoteAnywayButton.clicked.connect(self._onPromoteAnyway)
        ui.reasonLineEdit.textChanged.connect(lambda _text: self.updateButtons())
        ui.rollBackButton.clicked.connect(self._onRollBack)
        ui.exportModelButton.clicked.connect(self._onExport)
        self._shelf.changed.connect(self.update)
        self._slot.changed.connect(self.updateButtons)
        self._shelf.failed.connect(self._compare.showProblem)
        self._store.changed.connect(self.updateButtons)
        self._compare.done.connect(lambda _job, answer: self._comparison.show(answer["comparison"]))
        for run in (self._promote, self._adopt, self._anyway):
            run.done.connect(self._onPromoted)
        self._export.done.connect(self._onExported)

    def _onSelectionChanged(self) -> None:
        self._askForReason("")
        self.updateButtons()

    def _onCompare(self) -> None:
        pair = self.pair()
        params = {"old": pair[0]["id"], "new": pair[1]["id"]} if pair else {}
        self._toggle(self._compare, "models/compare", params)

    def _onPromote(self) -> None:
        chosen = self.chosen()
        self._asked = chosen[0]["id"] if chosen else ""
        self._toggle(self._promote, "models/promote", {"model": self._asked, **annotatorParams()})

    def _onPromoteAnyway(self) -> None:
        self._asked = self._refused
        params = {"model": self._refused, "reason": self._ui.reasonLineEdit.text.strip(), **annotatorParams()}
        self._toggle(self._anyway, "models/promote", params)

    def _onAdopt(self) -> None:
        self._asked = self._store.parameters.model
        self._toggle(self._adopt, "models/promote", {"model": self._asked, **annotatorParams()})

    def _onPromoted(self, _job: Any, answer: Dict[str, Any]) -> None:
        self._comparison.show(answer.get("comparison"))
        self._askForReason("" if answer["is_promoted"] else self._asked)
        if answer["is_promoted"]:
            self._promote.say(_("It is in use now. {sentence}").format(sentence=answer["sentence"]))
            self.promoted.emit()
            self._project.refresh()
        else:
            self._promote.say(_("Not promoted. {sentence}").format(sentence=answer["sentence"]))

    def _onRollBack(self) -> None:
        reply = self._engine.request("models/rollback", {"project": self._project.path, **annotatorParams()})
        reply.succeeded.connect(self._onRolledBack)
        reply.failed.connect(self._promote.showProblem)

    def _onRolledBack(self, answer: Dict[str, Any]) -> None:
        model = self._shelf.find(answer.get("active_model") or "")
        name = model["name"] if model is not None else _("no model")
        self._promote.say(_("Rolled back; in use now: {name}.").format(name=name))
        self._comparison.show(None)
        self._project.refresh()

    def _onExport(self) -> None:
        if self._export.job is not None:
            self._export.cancel()
            return
        model = self.chosen()[0]
        path = self._chooser.newPath(_("Export model file"), f"{model['id']}.safetensors")
        if path:
            params = {"model": model["id"], "output": path}
            self._toggle(self._export, "models/export", params)

    def _onExported(self, _job: Any, answer: Dict[str, Any]) -> None:
        self._export.say(_("Written to {path}.").format(path=answer["output"]))

    def _toggle(self, run: JobButton, method: str, params: Dict[str, Any]) -> None:
        """Cancel what runs, or start it."""
        if run.job is not None:
            run.cancel()
            return
        run.follow(EngineJob(self._engine, method, {"project": self._project.path, **params}).start())

    def _askForReason(self, modelID: str) -> None:
        """Let the person promote a model that the rule refused, empty: there is none."""
        self._refused = modelID
        self._ui.reasonFrame.setVisible(bool(modelID))
        self._ui.reasonLineEdit.text = ""

    def _cancel(self) -> None:
        for run in self._runs:
            run.cancel()


def _describe(model: ShelvedModel) -> List[str]:
    mean = (model.get("held_out") or {}).get("mean") or {}
    dice, distance = mean.get("dice"), mean.get("hd95_mm")
    cases = model.get("labeled_cases")
    return [
        model["name"] if not model.get("problem") else f"{model['name']} ({model['problem']})",
        model.get("parent") or NOT_KNOWN,
        NOT_KNOWN if cases is None else str(cases),
        NOT_KNOWN if dice is None else f"{dice:.3f}",
        NOT_KNOWN if distance is None else f"{distance:.1f}",
        "✓" if model.get("is_in_use") else "",
    ]
