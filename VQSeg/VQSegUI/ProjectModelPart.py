"""The line of the segment section about the open project's model: Segment follows it, or stays with another one."""

from __future__ import annotations

from typing import Any, Optional

from slicer.i18n import tr as _

from VQSegUI.Models import Model, modelFile, plainName
from VQSegUI.PathChooser import lastName


class ProjectModelPart:
    """Says when Segment uses another model than before without a click, and offers the project's where it does not.

    Args:
        ui: Widgets of the section.
        store: The panel's parameters.
        project: The `ProjectState`.
        models: The models that can be chosen; the project's has its folder as id.
        choice: The `ModelChoice`.
    """

    def __init__(self, ui: Any, store: Any, project: Any, models: Any, choice: Any) -> None:
        self._ui, self._store, self._project, self._models, self._choice = ui, store, project, models, choice
        self._used: Optional[Model] = None
        self._news = ""
        ui.useProjectModelButton.clicked.connect(lambda: store.update(model=project.path))
        for changed in (store.changed, models.changed, project.changed):
            changed.connect(self._update)
        self._update()

    def _update(self) -> None:
        ui, used = self._ui, self._models.find(self._store.parameters.model)
        offered = self._models.find(self._project.path) if self._project.isOpen() else None
        if used is not None:
            before, self._used = self._used, used
            if before is not None and (before["id"], modelFile(before)) != (used["id"], modelFile(used)):
                self._news = self._describe(before, used)
        isOther = None not in (used, offered) and modelFile(used) != modelFile(offered)
        ui.projectModelLabel.text = self._offer(used, offered) if isOther else self._news
        ui.projectModelLabel.setVisible(bool(ui.projectModelLabel.text))
        ui.useProjectModelButton.setVisible(isOther)

    def _describe(self, before: Model, used: Model) -> str:
        """Return what is to be said about a change; nothing when a person chose."""
        names = {"old": plainName(before), "new": plainName(used), "project": lastName(self._project.path)}
        if before["id"] == used["id"]:
            sentence = _(
                "Segment uses '{new}' from now on, in place of '{old}', because the project '{project}' does; see its "
                "models below for the reason."
            )
        elif self._choice.picked != used["id"]:
            return ""
        elif used["id"] == self._project.path:
            sentence = _("Segment uses '{new}', the model of the project '{project}', because no other was chosen.")
        else:
            sentence = _("Segment uses '{new}' from now on, because '{old}' is not listed any more.")
        return sentence.format(**names)

    def _offer(self, used: Model, offered: Model) -> str:
        sentence = _("The project '{project}' uses '{new}'; Segment stays with '{old}', as chosen above.")
        names = {"old": plainName(used), "new": plainName(offered), "project": lastName(self._project.path)}
        return sentence.format(**names)
