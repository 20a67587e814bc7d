"""What happened, as text; and the report that can be given to others, in which nobody can be recognized."""

from __future__ import annotations

import platform
import re
import time
from typing import Any, Dict, Iterable, List

import slicer
import vtk

from VQSegUI.Signal import Signal

KEPT_LINES = 2000
SHORTEST_NAME = 3
PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\\/\s'\":;,|<>]+){2,}[\\/]?|\\\\\S+")


class Log:
    """Lines with the time of day.

    Attributes:
        added: Emitted with every new line.
    """

    def __init__(self) -> None:
        self.added = Signal()
        self._lines: List[str] = []

    def add(self, text: str) -> None:
        """Add text; every line of it gets the time."""
        for line in text.splitlines():
            if line.strip():
                stamped = f"{time.strftime('%H:%M:%S')} {line.rstrip()}"
                self._lines = [*self._lines, stamped][-KEPT_LINES:]
                self.added.emit(stamped)

    def text(self) -> str:
        """Return all lines."""
        return "\n".join(self._lines)

    def report(self, information: Dict[str, Any]) -> str:
        """Return versions and log for a bug report: names of nodes, patients and paths are taken out.

        Args:
            information: What the engine said about itself.
        """
        device = (information.get("device") or {}).get("default", "unknown")
        head = [
            f"Slicer {slicer.app.applicationVersion}, Python {platform.python_version()}, {platform.platform()}",
            f"Engine {information.get('version', 'not running')}, Python {information.get('python', '-')}, {device}",
        ]
        return "\n".join([*head, "", redact(self.text(), _namesInScene())])


def redact(text: str, names: Iterable[str]) -> str:
    """Return text without names and paths."""
    for name in sorted({name.strip() for name in names}, key=len, reverse=True):
        if len(name) >= SHORTEST_NAME:
            text = re.sub(re.escape(name), "<name>", text, flags=re.IGNORECASE)
    return PATH.sub("<path>", text)


def _namesInScene() -> List[str]:
    """Return everything in the scene that may say who the patient is."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    names = [node.GetName() for node in nodes if node.IsA("vtkMRMLDisplayableNode") and node.GetName()]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    return names + [hierarchy.GetItemName(item) for item in _itemsOf(hierarchy)]


def _itemsOf(hierarchy: Any) -> List[int]:
    ids = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), ids, True)
    return [ids.GetId(index) for index in range(ids.GetNumberOfIds())]
