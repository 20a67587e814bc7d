"""Slicer's own Segment Editor inside the panel, with the tools that corrections need."""

from __future__ import annotations

from typing import Any

import slicer

EFFECTS = ["Paint", "Draw", "Erase", "Level tracing", "Scissors", "Fill between slices", "Islands", "Smoothing"]
UNDO_STEPS = 10
NODE_CLASS, NODE_TAG = "vtkMRMLSegmentEditorNode", "VQSeg"


class SegmentEditor:
    """The embedded editor.

    Attributes:
        widget: What is put into the panel.
    """

    def __init__(self) -> None:
        self.widget = slicer.qMRMLSegmentEditorWidget()
        self.widget.setMaximumNumberOfUndoStates(UNDO_STEPS)
        self.widget.setSegmentationNodeSelectorVisible(False)
        self.widget.setSourceVolumeNodeSelectorVisible(False)
        self.widget.setSwitchToSegmentationsButtonVisible(False)
        self.widget.setEffectNameOrder(EFFECTS)
        self.widget.unorderedEffectsVisible = False
        self._isEntered = False

    def setScene(self, scene: Any) -> None:
        """Work in a scene, None: in none."""
        # The editor's node comes first: without one the widget would take that of Slicer's own Segment Editor module.
        self.widget.setMRMLSegmentEditorNode(_editorNode(scene) if scene is not None else None)
        self.widget.setMRMLScene(scene)

    def edit(self, segmentationNode: Any, volumeNode: Any) -> None:
        """Edit a segmentation on a scan; None: nothing."""
        if self.widget.segmentationNode() is not segmentationNode:
            self.widget.setActiveEffect(None)
            self.widget.setSegmentationNode(segmentationNode)
        if self.widget.sourceVolumeNode() is not volumeNode:
            self.widget.setSourceVolumeNode(volumeNode)

    def enter(self) -> None:
        """The panel is shown: take the keyboard shortcuts."""
        if not self._isEntered:
            self._isEntered = True
            self.widget.installKeyboardShortcuts()
            self.widget.updateWidgetFromMRML()

    def exit(self) -> None:
        """Another module is shown: put down tool and shortcuts."""
        self._isEntered = False
        self.widget.setActiveEffect(None)
        self.widget.uninstallKeyboardShortcuts()
        self.widget.removeViewObservations()

    def saveStateForUndo(self, segmentationNode: Any) -> None:
        """Let the editor's undo take back what follows, when it edits this segmentation."""
        if self.widget.segmentationNode() is segmentationNode:
            self.widget.saveStateForUndo()


def _editorNode(scene: Any) -> Any:
    node = scene.GetSingletonNode(NODE_TAG, NODE_CLASS)
    if node is None:
        node = scene.CreateNodeByClass(NODE_CLASS)
        node.UnRegister(None)
        node.SetSingletonTag(NODE_TAG)
        node = scene.AddNode(node)
    return node
