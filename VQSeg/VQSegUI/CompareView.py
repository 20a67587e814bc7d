"""Two segmentations of one scan side by side in two slice views that scroll together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import slicer

from VQSegUI.Layout import currentLayout, setLayout
from VQSegUI.SegmentBridge import referenceVolume

LEFT, RIGHT = "Red", "Yellow"
SIDE_ATTRIBUTE, HIDDEN_ATTRIBUTE = "VQSeg.ComparedSide", "VQSeg.HiddenByComparison"


@dataclass(frozen=True)
class _Before:
    """How the views were."""

    layout: Optional[int]
    orientation: str
    links: Dict[str, bool]


class CompareView:
    """Shows two segmentations, and puts everything back afterwards; which ones are shown is kept in the scene."""

    def __init__(self) -> None:
        self._before: Optional[_Before] = None

    def show(self, volumeNode: Any, left: Any, right: Any) -> None:
        """Show a scan twice, a segmentation in each view; other segmentations of the scan are hidden meanwhile."""
        self.end()
        scene, views = slicer.mrmlScene, [_sliceNode(LEFT), _sliceNode(RIGHT)]
        if None in views:
            return  # a script without views
        links = {name: bool(_compositeNode(name).GetLinkedControl()) for name in (LEFT, RIGHT)}
        self._before = _Before(currentLayout(scene), views[1].GetOrientation(), links)
        setLayout(scene, slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
        slicer.util.setSliceViewerLayers(background=volumeNode)
        _hideOthers(volumeNode, [left, right])
        for name, node, view in zip((LEFT, RIGHT), (left, right), views):
            node.SetAttribute(SIDE_ATTRIBUTE, name)
            node.GetDisplayNode().SetDisplayableOnlyInView(view.GetID())
            node.GetDisplayNode().SetVisibility(True)
            _compositeNode(name).SetLinkedControl(True)
        views[1].SetOrientation(views[0].GetOrientation())
        views[1].SetSliceOffset(views[0].GetSliceOffset())

    def end(self) -> None:
        """Show the segmentations in all views again, and the views as they were before."""
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            if node.GetAttribute(SIDE_ATTRIBUTE):
                node.RemoveAttribute(SIDE_ATTRIBUTE)
                node.GetDisplayNode().RemoveAllViewNodeIDs()
            if node.GetAttribute(HIDDEN_ATTRIBUTE):
                node.RemoveAttribute(HIDDEN_ATTRIBUTE)
                node.GetDisplayNode().SetVisibility(True)
        before, self._before = self._before, None
        if before is None:
            return
        if currentLayout(slicer.mrmlScene) == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView:
            setLayout(slicer.mrmlScene, before.layout)
        _sliceNode(RIGHT).SetOrientation(before.orientation)
        for name, isLinked in before.links.items():
            _compositeNode(name).SetLinkedControl(isLinked)

    def isShown(self) -> bool:
        """Return whether a comparison was begun and not ended."""
        return self._before is not None

    def shown(self) -> List[Any]:
        """Return the segmentations that are compared, left and right, None where one was deleted; empty: none are."""
        nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        sides = {node.GetAttribute(SIDE_ATTRIBUTE): node for node in nodes}
        return [sides.get(LEFT), sides.get(RIGHT)] if LEFT in sides or RIGHT in sides else []

    def forgetScene(self) -> None:
        """The scene is closed; views and layout stay, so they are put back."""
        self.end()


def _hideOthers(volumeNode: Any, shown: List[Any]) -> None:
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        display = node.GetDisplayNode()
        isOther = node not in shown and referenceVolume(node) is volumeNode
        if isOther and display is not None and display.GetVisibility():
            node.SetAttribute(HIDDEN_ATTRIBUTE, "1")
            display.SetVisibility(False)


def _sliceNode(name: str) -> Any:
    return slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")


def _compositeNode(name: str) -> Any:
    return slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
