"""Slicer's view layout."""

from __future__ import annotations

from typing import Any, Optional

LAYOUT_NODE = "vtkMRMLLayoutNode"


def currentLayout(scene: Any) -> Optional[int]:
    """Return the number of the layout, None where the scene has no views, as in scripts without a window."""
    node = scene.GetSingletonNode(LAYOUT_NODE, LAYOUT_NODE)
    return node.GetViewArrangement() if node is not None else None


def setLayout(scene: Any, layout: int) -> None:
    """Choose a layout."""
    node = scene.GetSingletonNode(LAYOUT_NODE, LAYOUT_NODE)
    if node is not None:
        node.SetViewArrangement(layout)
