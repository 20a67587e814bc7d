"""The project that is open in the panel: a folder on the computer where the engine runs."""

from __future__ import annotations

from typing import Any, Dict, Optional

import slicer
from slicer.i18n import tr as _

from VQSegUI.Engine import READY, Cancelled, EngineDied
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal

PROJECT_KEY = "VQSeg/Project"


class ProjectState:
    """Opens a project, remembers it in the settings, and opens it again whenever an engine is ready.

    Attributes:
        changed: Emitted without values when another project is open, or more is known about it.
        failed: Emitted with a `Problem`; the project that was open stays open unless it cannot be read any more.
        path: Folder of the project, empty when none is chosen.
        information: The engine's answer to ``projects/open``; empty while the project is not open.
    """

    def __init__(self, engine: Any) -> None:
        self.changed, self.failed = Signal(), Signal()
        self.path = str(slicer.app.settings().value(PROJECT_KEY) or "")
        self.information: Dict[str, Any] = {}
        self._engine = engine
        self._reply: Any = None
        engine.stateChanged.connect(self._onEngineState)
        self._onEngineState()  # a script may have started the engine before

    def isOpen(self) -> bool:
        """Return whether the engine has opened the project."""
        return bool(self.information)

    def isAble(self) -> bool:
        """Return whether the engine knows projects; an older one does not."""
        return bool(self._engine.can("projects/open"))

    def activeModel(self) -> Optional[str]:
        """Return the ID of the model that the project uses, None when there is none."""
        return self.information.get("active_model")

    def open(self, path: str) -> None:
        """Open a project; ``changed`` or ``failed`` follows."""
        self._ask("projects/open", {"project": path})

    def create(self, path: str, labels: Any, **options: Any) -> None:
        """Make a new project and open it; ``changed`` or ``failed`` follows.

        Args:
            path: Folder that does not exist yet, or an empty one.
            labels: ``{"labels": [...]}`` without values that are used twice, or the name of a shipped table.
            options: ``modality`` and ``intensity_window`` (lowest and highest HU used).
        """
        self._ask("projects/create", {"project": path, "labels": labels, **options})

    def refresh(self) -> None:
        """Read again what the project holds; others may work on it, too."""
        if self.path:
            self.open(self.path)

    def close(self) -> None:
        """Have no project open."""
        self._reply = None
        self._take("", {})

    def release(self) -> None:
        """Hear of the engine no longer, which may outlive the panel."""
        self._reply = None
        self._engine.stateChanged.disconnect(self._onEngineState)

    def _ask(self, method: str, params: Dict[str, Any]) -> None:
        if not self.isAble():
            self.failed.emit(Problem(_("The engine is older than this module and knows no projects; update it.")))
            return
        # The last wish counts: answers to earlier ones are dropped.
        reply = self._reply = self._engine.request(method, params)
        reply.succeeded.connect(lambda answer: self._onAnswer(reply, answer))
        isReading = method == "projects/open" and params["project"] == self.path
        reply.failed.connect(lambda problem: self._onFailed(reply, isReading, problem))

    def _onAnswer(self, reply: Any, answer: Dict[str, Any]) -> None:
        if reply is self._reply:
            self._reply = None
            self._take(answer["path"], answer)

    def _onFailed(self, reply: Any, isReading: bool, problem: Problem) -> None:
        if reply is not self._reply:
            return
        self._reply = None
        if isReading and not isinstance(problem, (Cancelled, EngineDied)):
            self.information = {}
            self.changed.emit()
        self.failed.emit(problem)

    def _take(self, path: str, information: Dict[str, Any]) -> None:
        self.path, self.information = path, information
        slicer.app.settings().setValue(PROJECT_KEY, path)
        self.changed.emit()

    def _onEngineState(self) -> None:
        if self._engine.state == READY and self.isAble():
            self.refresh()
