"""The section in which a person lets the project's labeled scans make a better model, and watches."""

from __future__ import annotations

from typing import Any, Callable, Optional

import slicer

from VQSegUI.PlanPart import PlanPart
from VQSegUI.Resources import resourcePath
from VQSegUI.RunLogPart import RunLogPart
from VQSegUI.RunPart import RunPart


class TrainingSection:
    """Training section of the panel.

    Attributes:
        widget: What is put into the panel.
    """

    def __init__(
        self,
        logic: Any,
        project: Any,
        shelf: Any,
        models: Any,
        watch: Any,
        log: Any,
        confirm: Optional[Callable[[str], bool]] = None,
    ) -> None:
        """Make the section; the collaborators are those of `PlanPart` and `RunPart`."""
        self.widget = slicer.util.loadUI(resourcePath("UI/TrainingSection.ui"))
        ui = slicer.util.childWidgetVariables(self.widget)
        self._plan = PlanPart(ui, logic, project, shelf, models, watch, log)
        self._run = RunPart(ui, logic, project, watch, log, confirm)
        self._runLog = RunLogPart(ui, watch)
        self._status, self._log, self._watch = ui.trainingStatusLabel, log, watch
        self._project = project
        watch.ended.connect(self._onEnded)
        watch.failed.connect(self._onFailed)

    def setScene(self, _scene: Any) -> None:
        """Training belongs to the project, not to the scene."""

    def forgetScene(self) -> None:
        """The scene is closed."""
        self._run.forgetScene()

    def release(self) -> None:
        """The panel goes away; the run goes on."""
        self._plan.release()
        self._run.release()

    def _onEnded(self, _run: Any) -> None:
        self._project.refresh()  # cases are trained now, and another model may be in use

    def _onFailed(self, problem: Any) -> None:
        self._status.text = str(problem)
        self._log.add(str(problem))
        self._log.add(problem.detail)
