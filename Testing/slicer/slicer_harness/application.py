"""The running Slicer: one scene, the module logics over it, and `slicer.app`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

LOGICS = {
    "colors": "vtkMRMLColorLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "terminologies": "vtkSlicerTerminologiesModuleLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "plots": "vtkSlicerPlotsLogic",
}


class Application(QtCore.QObject):
    """`slicer.app`: the names of Slicer's application that the module uses, and no others."""

    aboutToQuit = QtCore.Signal()
    startupCompleted = QtCore.Signal()

    applicationName = "Slicer"
    applicationVersion = "5.12.4"

    def __init__(self, qt_application: QtWidgets.QApplication, logic: Any) -> None:
        super().__init__()
        self._application, self._logic = qt_application, logic
        self.temporaryPath = QtCore.QDir.tempPath()

    def applicationLogic(self) -> Any:
        """Return the application logic, which knows the selected volume."""
        return self._logic

    def clipboard(self) -> Any:
        """Return the clipboard."""
        return self._application.clipboard()

    def processEvents(self) -> None:
        """Handle what waits in the event queue."""
        self._application.processEvents()

    def settings(self) -> Any:
        """Return the application's settings."""
        import qt

        return qt.QSettings()

    def startupEnvironment(self) -> Any:
        """Return the environment that Slicer was started in."""
        return QtCore.QProcessEnvironment.systemEnvironment()

    def testingEnabled(self) -> bool:
        """Answer that nobody can click on dialogs."""
        return True


def make_application() -> tuple[Application, Any, SimpleNamespace]:
    """Return `slicer.app`, the scene and `slicer.modules`."""
    scene = slicer.vtkMRMLScene()
    application_logic = slicer.vtkSlicerApplicationLogic()
    application_logic.SetMRMLScene(scene)
    verbosity = vtk.vtkLogger.GetCurrentVerbosityCutoff()
    # The wheel has no .term.json files; the terminologies logic complains once about each.
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    logics = {name: _make_logic(class_name, application_logic, scene) for name, class_name in LOGICS.items()}
    vtk.vtkLogger.SetStderrVerbosity(verbosity)
    modules = SimpleNamespace(
        **{name: SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    )
    follow_with_subject_hierarchy(scene)
    make_slice_views(scene)
    make_layout(scene, application_logic)
    qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    return Application(qt_application, application_logic), scene, modules


def make_slice_views(scene: Any) -> None:
    """Make the three slice views of Slicer's usual layouts; like there, closing the scene keeps them."""
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        view = logic.AddSliceNode(name)
        view.SetOrientation(orientation)
        view.SetMappedInLayout(1)
        SLICE_LOGICS.append(logic)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetSingletonTag("default")
    scene.AddNode(crosshair)


def make_layout(scene: Any, application_logic: Any) -> None:
    """Make the layout node as Slicer's layout manager does, which goes on to tell the views whether they are shown."""
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLApplicationLogic(application_logic)
    logic.SetMRMLScene(scene)
    logic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    LAYOUT_LOGICS.append(logic)


LAYOUT_LOGICS: list[Any] = []
"""The layout's logic, which has to live as long as the layout."""
SLICE_LOGICS: list[Any] = []
"""The views' logics, which have to live as long as the views."""


def follow_with_subject_hierarchy(scene: Any) -> None:
    """Give every data node an item while it is in the scene, as Slicer's subject hierarchy plugins do."""

    def on_added(_caller: Any, _event: str, node: Any) -> None:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if node.IsA("vtkMRMLDisplayableNode") and not node.GetHideFromEditors() and not scene.IsBatchProcessing():
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def on_removed(_caller: Any, _event: str, node: Any) -> None:
        if scene.IsBatchProcessing() or not node.IsA("vtkMRMLDisplayableNode"):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    on_added.CallDataType = on_removed.CallDataType = vtk.VTK_OBJECT
    scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, on_added)
    scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, on_removed)


def _make_logic(class_name: str, application_logic: Any, scene: Any) -> Any:
    logic = getattr(slicer, class_name)()
    logic.SetMRMLApplicationLogic(application_logic)
    logic.SetMRMLScene(scene)
    return logic
