"""Offers the model that the open project uses among the models of the panel."""

from __future__ import annotations

from typing import Any, Dict

from slicer.i18n import tr as _

from VQSegUI.Models import fromCard
from VQSegUI.PathChooser import joinPath, lastName


class ProjectModel:
    """Follows the project; its ``id`` in the list is the project's folder, so that the choice outlives promotions.

    Segment is asked for the file, not for the project: what was proposed by one model must not be recorded as
    another's that was promoted meanwhile.
    """

    def __init__(self, engine: Any, state: Any, models: Any) -> None:
        self._engine, self._state, self._models = engine, state, models
        self._file = ""
        models.expect(state.path)
        state.changed.connect(self._follow)

    def _follow(self) -> None:
        model, project = self._state.activeModel(), self._state.path
        file = joinPath(project, "models", f"{model}.safetensors") if model else ""
        if file == self._file:
            return
        self._file = file
        if not file:
            self._models.offer(None)
            return
        self._models.expect(project)
        reply = self._engine.request("models/show", {"model": file})
        reply.succeeded.connect(lambda answer: self._offer(project, file, answer["card"]))
        reply.failed.connect(lambda _problem: self._withdraw(file))

    def _offer(self, project: str, file: str, card: Dict[str, Any]) -> None:
        if file == self._file:
            name = _("{model} (in use in {project})").format(model=card.get("name"), project=lastName(project))
            own = {"id": project, "file": file, "name": name, "plain_name": card.get("name")}
            self._models.offer({**fromCard(file, card), **own})

    def _withdraw(self, file: str) -> None:
        if file == self._file:
            self._file = ""
            self._models.offer(None)
