"""The models that can be chosen: the engine's own, and files that the person added."""

from __future__ import annotations

import html
from typing import Any, Dict, List, Optional

import slicer
from slicer.i18n import tr as _

from VQSegUI.Engine import READY
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal

FILES_KEY = "VQSeg/ModelFiles"
KEPT_FILES = 10
SHOWN_LABELS = 12

Model = Dict[str, Any]
"""A model as the engine lists it: id, name, description, labels, validation, path_name, problem."""


class Models:
    """The list of models; filled when the engine is ready.

    Attributes:
        changed: Emitted without values when the list changed.
        added: Emitted with the id of a model file that was just added.
        failed: Emitted with a `Problem` about a file that cannot be used.
        models: What can be chosen, in the order shown.
    """

    def __init__(self, engine: Any) -> None:
        self.changed, self.added, self.failed = Signal(), Signal(), Signal()
        self.models: List[Model] = []
        self._expected = ""
        self._offered: Optional[Model] = None
        self._engine = engine
        engine.stateChanged.connect(self._onEngineState)
        self._onEngineState()  # a script may have started the engine before

    def find(self, modelID: str) -> Optional[Model]:
        """Return a listed model."""
        return next((model for model in self.models if model["id"] == modelID), None)

    def isExpected(self, modelID: str) -> bool:
        """Return whether a model that is not listed yet may still come."""
        return bool(modelID) and modelID == self._expected

    def expect(self, modelID: str) -> None:
        """Wait for a model that somebody will offer; empty: for none."""
        self._expected = modelID

    def offer(self, model: Optional[Model]) -> None:
        """List a model of somebody else first, in place of the one offered before; None: no such model."""
        offered, self._offered, self._expected = self._offered, model, ""
        kept = [known for known in self.models if known is not offered]
        self.models = ([model] if model is not None else []) + kept
        self.changed.emit()

    def addFile(self, path: str) -> None:
        """Add a model file; ``added`` or ``failed`` follows when the engine has read its card."""
        reply = self._engine.request("models/show", {"model": path})
        reply.succeeded.connect(lambda result: self._onCard(path, result["card"]))
        reply.failed.connect(self.failed.emit)

    def release(self) -> None:
        """Hear of the engine no longer."""
        self._engine.stateChanged.disconnect(self._onEngineState)

    def _onEngineState(self) -> None:
        if self._engine.state == READY:
            self._engine.request("models/list").succeeded.connect(self._onListed)

    def _onListed(self, result: Dict[str, Any]) -> None:
        self.models = ([self._offered] if self._offered is not None else []) + list(result["models"])
        self.changed.emit()
        for path in _rememberedFiles():
            reply = self._engine.request("models/show", {"model": path})
            reply.succeeded.connect(lambda answer, path=path: self._insert(fromCard(path, answer["card"])))

    def _onCard(self, path: str, card: Dict[str, Any]) -> None:
        self._insert(fromCard(path, card))
        files = [path, *(known for known in _rememberedFiles() if known != path)]
        slicer.app.settings().setValue(FILES_KEY, "\n".join(files[:KEPT_FILES]))
        self.added.emit(path)

    def _insert(self, model: Model) -> None:
        self.models = [known for known in self.models if known["id"] != model["id"]] + [model]
        self.changed.emit()


def describeModel(model: Model) -> str:
    """Return a model's card as a few lines of rich text."""
    if model.get("problem"):
        return html.escape(model["problem"])
    names = [label["name"] for label in model.get("labels", [])]
    shown = ", ".join(names[:SHOWN_LABELS]) + (", ..." if len(names) > SHOWN_LABELS else "")
    lines = [model.get("description", ""), _("{count} structures: {names}").format(count=len(names), names=shown)]
    scores = model.get("validation") or {}
    dice = (scores.get("mean") or {}).get("dice")
    if dice is not None:
        text = _("Dice {dice:.2f} on {cases} validation scans")
        lines.append(text.format(dice=dice, cases=scores.get("cases", 0)))
    return "<br>".join(html.escape(line) for line in lines if line)


def usableModel(model: Optional[Model]) -> Model:
    """Return a model that can be used.

    Raises:
        Problem: None is chosen, or its file is damaged.
    """
    if model is None:
        raise Problem(_("Choose a model, or open a model file."))
    if model.get("problem"):
        raise Problem(model["problem"])
    return model


def modelFile(model: Model) -> str:
    """Return what the engine is asked for: a listed model itself, or the file that the one in use in a project is."""
    return model.get("file") or model["id"]


def plainName(model: Model) -> str:
    """Return the name of a model without what the list adds to it."""
    return str(model.get("plain_name") or model["name"] or model["path_name"])


def fromCard(path: str, card: Dict[str, Any]) -> Model:
    """Return a model file as the engine would list it."""
    name = path.replace("\\", "/").rpartition("/")[2]
    keys = ("name", "description", "validation")
    labels = (card.get("labels") or {}).get("labels", [])
    return {"id": path, "path_name": name, "labels": labels, "problem": None, **{key: card.get(key) for key in keys}}


def _rememberedFiles() -> List[str]:
    return [path for path in str(slicer.app.settings().value(FILES_KEY) or "").split("\n") if path]
