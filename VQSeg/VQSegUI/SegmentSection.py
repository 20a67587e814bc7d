"""The section in which a person chooses scan and model, clicks Segment and watches."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI import SceneBridge
from VQSegUI.ChoiceBox import fillChoices, selectChoice
from VQSegUI.Engine import BROKEN, READY, STARTING
from VQSegUI.JobButton import JobButton, JobSlot, logAnswer
from VQSegUI.ModelChoice import ModelChoice
from VQSegUI.Models import Models, modelFile, usableModel
from VQSegUI.Problem import Problem
from VQSegUI.ProjectModelPart import ProjectModelPart
from VQSegUI.Resources import resourcePath
from VQSegUI.Signal import Signal


class SegmentSection:
    """Segment section of the panel.

    Attributes:
        widget: What is put into the panel.
        proposed: Emitted with the proposal node when a segmentation is finished.
        models: The models that can be chosen.
    """

    def __init__(self, logic: Any, store: Any, log: Any, slot: JobSlot, project: Any) -> None:
        self.proposed = Signal()
        self._logic, self._store, self._log, self._slot = logic, store, log, slot
        self.models = Models(logic.engine)
        self.widget = slicer.util.loadUI(resourcePath("UI/SegmentSection.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._run = JobButton(ui.segmentButton, ui.progressBar, ui.statusLabel, slot, log)
        self._choice = ModelChoice(ui, store, self.models)
        self._projectModel = ProjectModelPart(ui, store, project, self.models, self._choice)
        self._fillDevices()
        self._connect()
        self._onParametersChanged()

    def setScene(self, scene: Any) -> None:
        """Offer the nodes of a scene."""
        self.widget.setMRMLScene(scene)

    def chooseShownVolume(self) -> None:
        """Choose the scan that the slice views show, when none is chosen."""
        shown = SceneBridge.shownVolume()
        isScan = shown is not None and shown.GetClassName() == "vtkMRMLScalarVolumeNode"
        if isScan and self._store.parameters.inputVolumeID is None:
            self._store.update(inputVolumeID=shown.GetID())

    def release(self) -> None:
        """Hear of the engine no longer, which may outlive the panel."""
        self._run.cancel()
        self.models.release()
        self._logic.engine.stateChanged.disconnect(self._onEngineState)

    def _connect(self) -> None:
        ui, store = self._ui, self._store
        ui.inputSelector.currentNodeIDChanged.connect(lambda nodeID: store.update(inputVolumeID=nodeID or None))
        ui.roiSelector.currentNodeIDChanged.connect(lambda nodeID: store.update(roiNodeID=nodeID or None))
        ui.deviceComboBox.currentIndexChanged.connect(self._onDeviceChosen)
        ui.openModelButton.clicked.connect(self._onOpenModel)
        ui.segmentButton.clicked.connect(self._onSegmentClicked)
        store.changed.connect(self._onParametersChanged)
        self.models.changed.connect(self._updateButton)
        self.models.failed.connect(self._run.showProblem)
        self._logic.engine.stateChanged.connect(self._onEngineState)
        self._slot.changed.connect(self._updateButton)
        self._run.done.connect(self._onDone)

    def _onSegmentClicked(self) -> None:
        if self._run.job is not None:
            self._run.cancel()
            return
        parameters, scene = self._store.parameters, slicer.mrmlScene
        volumeNode = scene.GetNodeByID(parameters.inputVolumeID) if parameters.inputVolumeID else None
        roiNode = scene.GetNodeByID(parameters.roiNodeID) if parameters.roiNodeID else None
        try:
            model = usableModel(self.models.find(parameters.model))
            job = self._logic.segment(volumeNode, modelFile(model), parameters.device, roiNode)
        except Problem as problem:
            self._run.showProblem(problem)
            return
        self._log.add(_("Segment with model '{name}'").format(name=model["name"]))
        self._run.follow(job)

    def _onDone(self, job: Any, proposalNode: Any) -> None:
        logAnswer(self._log, _("Segmented"), job.result)
        done = _("Done; check the proposal below and accept or reject it.")
        self._run.say(" ".join([done, *job.notes]))
        self.proposed.emit(proposalNode)

    def _onEngineState(self) -> None:
        engine = self._logic.engine
        self._fillDevices()
        if engine.state == BROKEN:
            self._run.showProblem(engine.problem)
        elif engine.state == STARTING and self._run.job is None:
            self._log.add(_("Engine is starting"))
        elif engine.state == READY:
            self._log.add(_("Engine {version} is ready").format(version=engine.information.get("version", "?")))
        self._updateButton()

    def _onParametersChanged(self) -> None:
        parameters = self._store.parameters
        self._ui.inputSelector.setCurrentNodeID(parameters.inputVolumeID or "")
        self._ui.roiSelector.setCurrentNodeID(parameters.roiNodeID or "")
        selectChoice(self._ui.deviceComboBox, parameters.device)
        self._updateButton()

    def _fillDevices(self) -> None:
        device = self._logic.engine.information.get("device") or {}
        available = device.get("available", [])
        default = next((each["name"] for each in available if each["id"] == device.get("default")), "")
        automatic = _("Automatic ({name})").format(name=default) if default else _("Automatic")
        rows = [(f"{each['name']} ({each['id']})", each["id"]) for each in available]
        fillChoices(self._ui.deviceComboBox, [(automatic, ""), *rows])
        selectChoice(self._ui.deviceComboBox, self._store.parameters.device)

    def _onDeviceChosen(self, row: int) -> None:
        if row >= 0:
            self._store.update(device=self._ui.deviceComboBox.itemData(row))

    def _onOpenModel(self) -> None:
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Open model file"), "", _("VQSeg model (*.safetensors)"))
        path = path[0] if isinstance(path, tuple) else path  # PythonQt gives the path alone
        if path:
            self.models.addFile(path)

    def _updateButton(self) -> None:
        missing = ""
        if self._store.parameters.inputVolumeID is None:
            missing = _("Choose an input volume.")
        elif self.models.find(self._store.parameters.model) is None:
            missing = _("The models are listed when the engine is ready.")
        self._run.update(missing, _("Segment the input volume."))
