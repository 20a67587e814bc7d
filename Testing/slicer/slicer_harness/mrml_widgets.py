"""The qMRML widgets that the panel uses, as plain Qt widgets over the real MRML scene."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets


class qMRMLWidget(QtWidgets.QWidget):
    """Widget that tells its children about the scene through the connections of the .ui file."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._scene


class qMRMLNodeComboBox(qMRMLWidget):
    """List of the scene's nodes of some classes, with the habits of the real one, which is no friend of parameters.

    Closing and importing a scene makes it forget its node and say so. When the selected node is removed, the next in
    the list is selected, else the last.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QComboBox(self)
        self._box.setObjectName("")
        self._box.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._node_types: list[str] = []
        self._none_enabled = self._child_types = False
        self._none_text, self._tags, self._current = "None", [], ""
        self._box.activated.connect(lambda row: self.setCurrentNodeID(self._box.itemData(row)))

    def setMRMLScene(self, scene: Any) -> None:
        """Observe another scene."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        super().setMRMLScene(scene)
        self._tags = self._observe(scene) if scene else []
        self._refresh()

    def currentNode(self) -> Any:
        """Return the selected node or None."""
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Select a node."""
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        """Select a node by its ID; an unknown one selects nothing."""
        known = [self._box.itemData(row) for row in range(self._box.count)]
        chosen = node_id if node_id in known else ""
        self._box.setCurrentIndex(known.index(chosen) if chosen in known else -1)
        if chosen != self._current:
            self._current = chosen
            self.currentNodeIDChanged.emit(chosen)
            self.currentNodeChanged.emit(self.currentNode())

    def nodeCount(self) -> int:
        """Return how many nodes can be chosen."""
        return self._box.count - int(self._none_enabled)

    def _observe(self, scene: Any) -> list[int]:
        @vtk.calldata_type(vtk.VTK_OBJECT)
        def on_about_to_be_removed(_caller: Any, _event: str, node: Any) -> None:
            if not scene.IsClosing():
                self._remove(node.GetID())

        def on_added(_caller: Any, _event: str) -> None:
            if not scene.IsImporting():  # IDs are not final before the end of an import
                self._refresh()

        def on_replaced(_caller: Any, _event: str) -> None:
            self._fill([])
            self.setCurrentNodeID("")
            self._refresh()

        events = slicer.vtkMRMLScene
        return [
            scene.AddObserver(events.NodeAddedEvent, on_added, 10.0),
            scene.AddObserver(events.NodeAboutToBeRemovedEvent, on_about_to_be_removed, -10.0),
            scene.AddObserver(events.EndCloseEvent, on_replaced),
            scene.AddObserver(events.EndImportEvent, on_replaced),
        ]

    def _remove(self, node_id: str) -> None:
        rows = [self._box.itemData(row) for row in range(self._box.count)]
        if node_id not in rows:
            return
        row = rows.index(node_id)
        left = [each for each in rows if each != node_id]
        nodes = [each for each in left if each]
        next_id = left[row] if row < len(left) else nodes[-1] if nodes else ""
        self._fill([node for node in self._nodes() if node.GetID() != node_id])
        self.setCurrentNodeID(next_id if self._current == node_id else self._current)

    def _refresh(self) -> None:
        self._fill(self._nodes())
        self.setCurrentNodeID(self._current)

    def _fill(self, nodes: list[Any]) -> None:
        self._box.clear()
        if self._none_enabled:
            self._box.addItem(self._none_text, "")
        for node in nodes:
            self._box.addItem(node.GetName(), node.GetID())

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        fits = (
            (lambda node, name: node.IsA(name))
            if self._child_types
            else (lambda node, name: node.GetClassName() == name)
        )
        return [
            node
            for node in nodes
            if not node.GetHideFromEditors() and any(fits(node, name) for name in self._node_types)
        ]

    def _set(self, name: str, value: Any) -> None:
        setattr(self, name, value)
        self._refresh()

    nodeTypes = QtCore.Property(
        "QStringList", lambda self: self._node_types, lambda self, v: self._set("_node_types", v)
    )
    noneEnabled = QtCore.Property(bool, lambda self: self._none_enabled, lambda self, v: self._set("_none_enabled", v))
    noneDisplay = QtCore.Property(str, lambda self: self._none_text, lambda self, v: self._set("_none_text", v))
    showChildNodeTypes = QtCore.Property(
        bool, lambda self: self._child_types, lambda self, v: self._set("_child_types", v)
    )
    currentNodeID = QtCore.Property(str, lambda self: self._current, setCurrentNodeID)


class qMRMLSegmentsTableView(qMRMLWidget):
    """Table of the segments of a segmentation node; rows can be selected."""

    selectionChanged = QtCore.Signal(QtCore.QItemSelection, QtCore.QItemSelection)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node, self._tags = None, []
        self._table = QtWidgets.QTableWidget(0, 2, self)
        self._table.setObjectName("")
        self._table.setHorizontalHeaderLabels(["", "Name"])
        self._table.horizontalHeader().setStretchLastSection(True)
        self._table.verticalHeader().setVisible(False)
        self._table.setColumnWidth(0, 24)
        self._table.setSelectionBehavior(QtWidgets.QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.selectionModel().selectionChanged.connect(self.selectionChanged)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)

    def setSegmentationNode(self, node: Any) -> None:
        """Show another segmentation."""
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags = node, []
        if node is not None:
            events = (slicer.vtkSegmentation.SegmentAdded, slicer.vtkSegmentation.SegmentRemoved)
            self._tags = [node.AddObserver(event, lambda *_: self._refresh()) for event in events]
        self._refresh()

    def segmentationNode(self) -> Any:
        """Return the segmentation shown."""
        return self._node

    def selectedSegmentIDs(self) -> list[str]:
        """Return the IDs of the selected rows."""
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        return [self._table.item(row, 1).data(QtCore.Qt.ItemDataRole.UserRole) for row in rows]

    def setSelectedSegmentIDs(self, segment_ids: list[str]) -> None:
        """Select rows."""
        self._table.clearSelection()
        mode = QtCore.QItemSelectionModel.SelectionFlag
        for row in range(self._table.rowCount):
            if self._table.item(row, 1).data(QtCore.Qt.ItemDataRole.UserRole) in segment_ids:
                index = self._table.model().index(row, 1)
                self._table.selectionModel().select(index, mode.Select | mode.Rows)

    def _refresh(self) -> None:
        segmentation = self._node.GetSegmentation() if self._node else None
        self._table.setRowCount(segmentation.GetNumberOfSegments() if segmentation else 0)
        for row in range(self._table.rowCount):
            segment_id = segmentation.GetNthSegmentID(row)
            segment = segmentation.GetSegment(segment_id)
            color, name = QtWidgets.QTableWidgetItem(), QtWidgets.QTableWidgetItem(segment.GetName())
            color.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            name.setData(QtCore.Qt.ItemDataRole.UserRole, segment_id)
            self._table.setItem(row, 0, color)
            self._table.setItem(row, 1, name)


class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Button that makes and removes the closed surfaces of a segmentation."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = None
        self.setText("Show 3D")
        self.setCheckable(True)
        self.toggled.connect(self._on_toggled)

    def setSegmentationNode(self, node: Any) -> None:
        """Set the segmentation."""
        self._node = node
        self.setEnabled(node is not None)

    def _on_toggled(self, shown: bool) -> None:
        if self._node and shown:
            self._node.CreateClosedSurfaceRepresentation()
        elif self._node:
            self._node.RemoveClosedSurfaceRepresentation()


WIDGETS = (qMRMLWidget, qMRMLNodeComboBox, qMRMLSegmentsTableView, qMRMLSegmentationShow3DButton)
