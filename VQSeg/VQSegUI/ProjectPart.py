"""The part of the project section that opens a project and says in one line how it is."""

from __future__ import annotations

from typing import Any, Dict, List

from slicer.i18n import tr as _

from VQSegUI.PathChooser import lastName
from VQSegUI.Problem import Problem

SHOWN_DAMAGES = 20


class ProjectPart:
    """Buttons, and the line about the project."""

    def __init__(self, ui: Any, state: Any, chooser: Any, log: Any) -> None:
        self._ui, self._state, self._chooser, self._log = ui, state, chooser, log
        self._problem = ""
        self._toldRepairs: List[str] = []
        ui.openProjectButton.clicked.connect(self._onOpen)
        ui.refreshProjectButton.clicked.connect(state.refresh)
        state.changed.connect(self._onChanged)
        state.failed.connect(self._onFailed)
        self._show()

    def _onOpen(self) -> None:
        path = self._chooser.folder(_("Open project"))
        if path:
            self._state.open(path)

    def _onChanged(self) -> None:
        self._problem = ""
        repairs = self._state.information.get("repairs", [])
        for sentence in repairs:
            if sentence not in self._toldRepairs:
                self._log.add(sentence)
        self._toldRepairs = list(repairs)
        self._show()

    def _onFailed(self, problem: Problem) -> None:
        self._problem = str(problem)
        self._log.add(self._problem)
        self._log.add(problem.detail)
        self._show()

    def _show(self) -> None:
        ui, state = self._ui, self._state
        ui.projectFrame.setVisible(state.isOpen())
        ui.refreshProjectButton.enabled = bool(state.path)
        if state.isOpen():
            text = describeProject(state.path, state.information)
        elif state.path:
            text = _("'{name}' is not open yet.").format(name=lastName(state.path))
        else:
            text = _("No project is open: open one or make a new one, to build a data set of your own.")
        ui.projectLabel.text = " ".join(part for part in (self._problem, text) if part)
        damaged = state.information.get("damaged", {})
        lines = [state.path, *(f"{case}: {reason}" for case, reason in list(damaged.items())[:SHOWN_DAMAGES])]
        ui.projectLabel.toolTip = "\n".join(line for line in lines if line)


def describeProject(path: str, information: Dict[str, Any]) -> str:
    """Return the state of a project in one line."""
    counts = information["counts"]
    text = _(
        "{name}: {queued} queued, {trained} trained, {unlabeled} without labels, {excluded} excluded; {held} held out."
    )
    parts = [text.format(name=lastName(path), held=information["held_out"], **counts)]
    model = information.get("active_model")
    parts.append(_("Model in use: {model}.").format(model=model) if model else _("No model of its own yet."))
    if information["damaged"]:
        parts.append(_("{count} damaged cases, see the tool tip.").format(count=len(information["damaged"])))
    return " ".join([*parts, *information["repairs"]])
