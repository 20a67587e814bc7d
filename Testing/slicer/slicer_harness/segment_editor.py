"""The Segment Editor's widget over Slicer's real editor logic: tools can be chosen but not drawn with by mouse."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from slicer_harness.mrml_widgets import qMRMLSegmentsTableView, qMRMLWidget

ALL_EFFECTS = (
    *("Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices", "Margin"),
    *("Hollow", "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume"),
)
COLUMNS = 3


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Buttons for the effects, undo and redo, and the table of segments."""

    segmentationNodeChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._effect, self._order, self._unordered, self._shortcuts = None, [], True, False
        self._is_selector_empty = False
        self._buttons: dict[str, QtWidgets.QPushButton] = {}
        self._table = qMRMLSegmentsTableView(self)
        self._table.setFixedHeight(110)
        self._grid = QtWidgets.QGridLayout()
        self._undo, self._redo = QtWidgets.QPushButton("Undo edit"), QtWidgets.QPushButton("Redo edit")
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        layout.addLayout(self._grid)
        row = QtWidgets.QHBoxLayout()
        for button, slot in ((self._undo, self.undo), (self._redo, self.redo)):
            button.setObjectName("")
            button.clicked.connect(slot)
            row.addWidget(button)
        layout.addLayout(row)
        self._make_buttons()

    def setMRMLScene(self, scene: Any) -> None:
        """Work in a scene."""
        if scene is self.mrmlScene():
            return
        super().setMRMLScene(scene)
        self._logic.SetMRMLScene(scene)
        if scene is not None:
            events = slicer.vtkMRMLScene
            for event in (events.EndCloseEvent, events.EndImportEvent):
                scene.AddObserver(event, self._on_selector_emptied)
            scene.AddObserver(events.EndBatchProcessEvent, self._on_batch_ended)

    def _on_selector_emptied(self, _caller: Any, _event: str) -> None:
        self._is_selector_empty = True

    def _on_batch_ended(self, _caller: Any, _event: str) -> None:
        """Take up the node of the hidden selector, which a closed or imported scene has emptied, as the real one."""
        if self._is_selector_empty and self.mrmlScene() is not None:
            self._is_selector_empty = False
            self.setSegmentationNode(None)

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """Keep the choices in a node; comes before the scene."""
        self._logic.SetSegmentEditorNode(node)

    def mrmlSegmentEditorNode(self) -> Any:
        """Return the node with the choices."""
        return self._logic.GetSegmentEditorNode()

    def setSegmentationNode(self, node: Any) -> None:
        """Edit a segmentation."""
        if self.mrmlSegmentEditorNode() is not None:
            self.mrmlSegmentEditorNode().SetAndObserveSegmentationNode(node)
        self._logic.SetSegmentationNode(node)
        self._table.setSegmentationNode(node)
        self.segmentationNodeChanged.emit(node)

    def segmentationNode(self) -> Any:
        """Return the segmentation that is edited."""
        editor = self.mrmlSegmentEditorNode()
        return editor.GetSegmentationNode() if editor is not None else None

    def setSourceVolumeNode(self, node: Any) -> None:
        """Edit on a volume."""
        if self.mrmlSegmentEditorNode() is not None:
            self.mrmlSegmentEditorNode().SetAndObserveSourceVolumeNode(node)
        self._logic.SetSourceVolumeNode(node)

    def sourceVolumeNode(self) -> Any:
        """Return the volume that is edited on."""
        editor = self.mrmlSegmentEditorNode()
        return editor.GetSourceVolumeNode() if editor is not None else None

    def setCurrentSegmentID(self, segment_id: str) -> None:
        """Choose a segment."""
        self.mrmlSegmentEditorNode().SetSelectedSegmentID(segment_id)
        self._logic.SetCurrentSegmentID(segment_id)

    def currentSegmentID(self) -> str:
        """Return the chosen segment."""
        return self.mrmlSegmentEditorNode().GetSelectedSegmentID() or ""

    def setEffectNameOrder(self, names: list[str]) -> None:
        """Say which effects come first."""
        self._order = list(names)
        self._make_buttons()

    def availableEffectNames(self) -> list[str]:
        """Return all effects of this Slicer."""
        return list(ALL_EFFECTS)

    def setActiveEffectByName(self, name: str) -> None:
        """Choose a tool."""
        self._effect = name if name in ALL_EFFECTS and self.segmentationNode() is not None else None
        for each, button in self._buttons.items():
            button.setChecked(each == self._effect)

    def setActiveEffect(self, effect: Any) -> None:
        """Put the tool down with None."""
        self.setActiveEffectByName(effect or "")

    def activeEffect(self) -> Any:
        """Return the tool in use."""
        return self._effect

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        """Say how many steps undo goes back."""
        self._logic.SetMaximumNumberOfUndoStates(count)

    def saveStateForUndo(self) -> None:
        """Remember the segmentation as it is."""
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        """Take the last change back."""
        self._logic.Undo()

    def redo(self) -> None:
        """Make it again."""
        self._logic.Redo()

    def setSegmentationNodeSelectorVisible(self, visible: bool) -> None:
        """There is no such selector here."""

    def setSourceVolumeNodeSelectorVisible(self, visible: bool) -> None:
        """There is no such selector here."""

    def setSwitchToSegmentationsButtonVisible(self, visible: bool) -> None:
        """There is no such button here."""

    def installKeyboardShortcuts(self) -> None:
        """Take the keys."""
        self._shortcuts = True

    def uninstallKeyboardShortcuts(self) -> None:
        """Give the keys back."""
        self._shortcuts = False

    def removeViewObservations(self) -> None:
        """There are no views here."""

    def updateWidgetFromMRML(self) -> None:
        """Show what the editor's node says."""
        self._table.setSegmentationNode(self.segmentationNode())

    def _make_buttons(self) -> None:
        for button in self._buttons.values():
            button.setParent(None)
        names = [*self._order, *(each for each in ALL_EFFECTS if self._unordered and each not in self._order)]
        self._buttons = {name: QtWidgets.QPushButton(name) for name in names}
        for number, (name, button) in enumerate(self._buttons.items()):
            button.setObjectName("")
            button.setCheckable(True)
            button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked, name=name: self.setActiveEffectByName(name))
            self._grid.addWidget(button, number // COLUMNS, number % COLUMNS)

    def _set_unordered(self, shown: bool) -> None:
        self._unordered = shown
        self._make_buttons()

    unorderedEffectsVisible = QtCore.Property(bool, lambda self: self._unordered, _set_unordered)


WIDGETS = (qMRMLSegmentEditorWidget,)
