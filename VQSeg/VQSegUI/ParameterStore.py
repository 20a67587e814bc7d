"""The panel's parameters as the sections share them; follows the parameter node through closing and loading scenes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from VQSegUI.Parameters import Parameters, parameterNode, readParameters, writeParameters
from VQSegUI.Signal import Signal


class ParameterStore:
    """Reads and writes the scene's parameter node.

    Attributes:
        changed: Emitted without values when a parameter changed, whoever changed it.
        parameters: What the node holds now.
    """

    def __init__(self, scene: Any) -> None:
        self.changed = Signal()
        self.parameters = Parameters()
        self._scene, self._node, self._tag = scene, None, 0

    def attach(self) -> None:
        """Follow the scene's parameter node, which is made when there is none; ``changed`` is emitted in any case."""
        self.detach()
        self._node = parameterNode(self._scene)
        self._tag = self._node.AddObserver("ModifiedEvent", lambda _caller, _event: self._read())
        self.parameters = readParameters(self._node)
        self.changed.emit()

    def detach(self) -> None:
        """Leave the node alone, for example while the scene is closed."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
            self._node = None

    def isAttached(self) -> bool:
        """Return whether a parameter node is followed."""
        return self._node is not None

    def forget(self, nodeID: str) -> None:
        """A node is about to leave the scene: choose none in its place.

        Selectors would otherwise go on to the next node in their list, maybe the segmentation of another patient.
        """
        named = [field.name for field in fields(Parameters) if field.name.endswith("ID")]
        self.update(**{name: None for name in named if getattr(self.parameters, name) == nodeID})

    def update(self, **values: Any) -> None:
        """Change parameters; does nothing when no scene is followed or nothing differs."""
        changed = replace(self.parameters, **values)
        if self._node is not None and changed != self.parameters:
            writeParameters(self._node, changed)

    def _read(self) -> None:
        parameters = readParameters(self._node)
        if parameters != self.parameters:
            self.parameters = parameters
            self.changed.emit()
