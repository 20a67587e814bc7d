"""Offers the model that the project uses to Segment, under the project's own path: whichever it is at that moment."""

from __future__ import annotations

from typing import Any, Dict

from slicer.i18n import tr as _

from VQSegUI.Models import modelFromCard


class ProjectModel:
    """Keeps the list of models in step with the project.

    Args:
        engine: The `Engine`.
        project: The `ProjectState`.
        models: The models that can be chosen.
    """

    def __init__(self, engine: Any, project: Any, models: Any) -> None:
        self._engine, self._project, self._models = engine, project, models
        self._reply: Any = None
        project.changed.connect(self._look)
        if project.path:  # it is opened soon; whoever chose its model last time shall keep it
            models.offer([{**modelFromCard(project.path, {}), "name": _("Model in use in the project")}])

    def _look(self) -> None:
        self._reply = None
        if not self._project.isOpen() or not self._project.activeModel():
            self._models.offer([])
            return
        path = self._project.path
        reply = self._reply = self._engine.request("models/show", {"model": path})
        reply.succeeded.connect(lambda answer: self._offer(path, answer["card"]) if reply is self._reply else None)

    def _offer(self, path: str, card: Dict[str, Any]) -> None:
        name = _("{name} (in use in the project)").format(name=card.get("name"))
        self._models.offer([{**modelFromCard(path, card), "name": name}])
