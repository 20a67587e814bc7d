"""The models of the open project: which there are, which one is in use, and how that came to be."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from VQSegUI.Engine import READY, Cancelled, EngineDied
from VQSegUI.PathChooser import joinPath
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal

ShelvedModel = Dict[str, Any]
"""A model as the engine lists it: id, name, created, parent, labeled_cases, held_out, is_in_use, problem."""


class ModelShelf:
    """Lists the models whenever the project may have changed.

    Attributes:
        changed: Emitted without values when something is different.
        failed: Emitted with a `Problem`.
        models: The models, the oldest first.
        history: Who used which model from when on, and why, the oldest decision first.
        canRollBack: Whether there is a model to go back to.
    """

    def __init__(self, engine: Any, project: Any) -> None:
        self.changed, self.failed = Signal(), Signal()
        self.models: List[ShelvedModel] = []
        self.history: List[Dict[str, Any]] = []
        self.canRollBack = False
        self._engine, self._project = engine, project
        self._reply: Any = None
        project.changed.connect(self.look)

    def find(self, modelID: str) -> Optional[ShelvedModel]:
        """Return a model of the project."""
        return next((model for model in self.models if model["id"] == modelID), None)

    def inUse(self) -> Optional[ShelvedModel]:
        """Return the model that the project uses."""
        return next((model for model in self.models if model.get("is_in_use")), None)

    def before(self) -> Optional[ShelvedModel]:
        """Return the model that was in use before the present one."""
        inUse = self.inUse()
        earlier = [self.find(decision["model_id"]) for decision in reversed(self.history)]
        return next((model for model in earlier if model is not None and model is not inUse), None)

    def path(self, modelID: str) -> str:
        """Return the file of a model on the computer of the engine, as `segment` takes it."""
        return joinPath(self._project.path, "models", f"{modelID}.safetensors")

    def look(self) -> None:
        """List the models again."""
        self._reply = None
        if not self._project.isOpen():
            self._take({})
        elif self._engine.state == READY and self._engine.can("models/shelf"):
            reply = self._reply = self._engine.request("models/shelf", {"project": self._project.path})
            reply.succeeded.connect(lambda answer: self._take(answer) if reply is self._reply else None)
            reply.failed.connect(lambda problem: self._onFailed(problem) if reply is self._reply else None)

    def release(self) -> None:
        """Hear of the project no longer."""
        self._reply = None
        self._project.changed.disconnect(self.look)

    def _take(self, answer: Dict[str, Any]) -> None:
        models = list(answer.get("models", []))
        self.models = sorted(models, key=lambda model: model.get("created") or "")
        self.history = list(answer.get("history", []))
        self.canRollBack = bool(answer.get("can_roll_back"))
        self.changed.emit()

    def _onFailed(self, problem: Problem) -> None:
        if not isinstance(problem, (Cancelled, EngineDied)):
            self.failed.emit(problem)
