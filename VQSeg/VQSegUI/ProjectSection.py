"""The section in which a person builds a data set: the project, accepted scans, its cases, and what to label next."""

from __future__ import annotations

from typing import Any

import slicer

from VQSegUI.CasesPart import CasesPart
from VQSegUI.JobButton import JobSlot
from VQSegUI.NewProjectPart import NewProjectPart
from VQSegUI.OpenCasePart import OpenCasePart
from VQSegUI.PathChooser import PathChooser
from VQSegUI.PoolPart import PoolPart
from VQSegUI.ProjectPart import ProjectPart
from VQSegUI.QueuePart import QueuePart
from VQSegUI.Resources import resourcePath


class ProjectSection:
    """Project section of the panel.

    Attributes:
        widget: What is put into the panel.
        opened: Emitted without values when a case was opened in the scene.
    """

    def __init__(
        self, logic: Any, store: Any, log: Any, slot: JobSlot, models: Any, state: Any, proposals: Any
    ) -> None:
        """Make the section.

        Args:
            logic: Shared with scripts.
            store: The panel's parameters.
            log: The panel's log.
            slot: What the panel lets the model do, one thing at a time. Storing and opening cases does not need the
                model, so neither waits for the other; nor does adding and exporting many of them.
            models: The models that can be chosen.
            state: The opened project, a `ProjectState`.
            proposals: Accepts the proposal that waits, a `ProposalSection`.
        """
        self.widget = slicer.util.loadUI(resourcePath("UI/ProjectSection.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._state, chooser = state, PathChooser(logic.engine, self.widget)
        handover, background = JobSlot(), JobSlot()
        self._project = ProjectPart(ui, state, chooser, log)
        self._new = NewProjectPart(ui, store, state, models, chooser)
        self._opening = OpenCasePart(ui, logic, store, log, handover, state)
        self._queue = QueuePart(ui, logic, store, log, handover, state, proposals)
        self._cases = CasesPart(ui, logic, log, background, state, chooser, self._opening)
        self._pool = PoolPart(ui, logic, store, log, (slot, background), state, models, chooser, self._opening)
        self.opened = self._opening.opened

    def enter(self) -> None:
        """The panel is shown: others may have worked on the project meanwhile."""
        if self._state.isOpen():
            self._state.refresh()

    def setScene(self, scene: Any) -> None:
        """Offer the nodes of a scene."""
        self.widget.setMRMLScene(scene)

    def release(self) -> None:
        """Stop what is under way and hear of the project no longer."""
        for part in (self._opening, self._queue, self._cases, self._pool):
            part.cancel()
        self._state.release()
