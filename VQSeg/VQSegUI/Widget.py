"""The panel: puts the sections together and passes on what happens to the scene and the module."""

from __future__ import annotations

from typing import Any, Optional

import slicer
import vtk
from slicer.util import VTKObservationMixin

from VQSegUI.Engine import STOPPED
from VQSegUI.EngineSection import EngineSection
from VQSegUI.EngineSource import EngineLink
from VQSegUI.JobButton import JobSlot
from VQSegUI.Log import Log
from VQSegUI.Logic import VQSegLogic
from VQSegUI.LogSection import LogSection
from VQSegUI.ModelShelf import ModelShelf
from VQSegUI.ModelsSection import ModelsSection
from VQSegUI.ParameterStore import ParameterStore
from VQSegUI.ProjectModel import ProjectModel
from VQSegUI.ProjectSection import ProjectSection
from VQSegUI.ProjectState import ProjectState
from VQSegUI.ProposalSection import ProposalSection
from VQSegUI.ReviewSection import ReviewSection
from VQSegUI.RunWatch import RunWatch
from VQSegUI.SegmentSection import SegmentSection
from VQSegUI.TrainingSection import TrainingSection

AFTER_WIDGETS = -1000.0
"""Priority of an observer that hears of the scene after Slicer's own selectors and Segment Editor."""


class Widget(VTKObservationMixin):
    """Contents of the module panel.

    Attributes:
        logic: Shared with scripts.
        sections: The sections in the order they are shown; each has a ``widget``.
        project: The project that is open.
    """

    def __init__(self, layout: Any, logic: Optional[VQSegLogic] = None) -> None:
        """Draw the panel; nothing is started.

        Args:
            layout: Layout of the module panel.
            logic: Made when none is given.
        """
        super().__init__()
        self.logic = logic or VQSegLogic()
        self._store, log = ParameterStore(slicer.mrmlScene), Log()
        slot = JobSlot()
        self.project = ProjectState(self.logic.engine)
        self._segment = SegmentSection(self.logic, self._store, log, slot, self.project)
        self._review = ReviewSection(self.logic, self._store, log, slot, self._segment.models)
        self._proposal = ProposalSection(self._store, log, self._review.saveStateForUndo)
        self._engine = EngineSection(self.logic.source.install, self.logic.source.settings)
        self._link = EngineLink(self.logic.source, self.logic.engine, self._engine.engineChanged)
        self._projectModel = ProjectModel(self.logic.engine, self.project, self._segment.models)
        self._shelf = ModelShelf(self.logic.engine, self.project)
        self._watch = RunWatch(self.logic.engine, self.project)
        self._project = ProjectSection(
            self.logic, self._store, log, slot, self._segment.models, self.project, self._proposal
        )
        self._training = TrainingSection(self.logic, self.project, self._shelf, self._segment.models, self._watch, log)
        self._models = ModelsSection(self.logic, self._store, log, slot, self.project, self._shelf, self._watch)
        self._models.promoted.connect(self._useProjectModel)
        self.sections = [self._engine, self._segment, self._proposal, self._review, self._project]
        self.sections += [self._training, self._models]
        self.sections.append(LogSection(log, self.logic.engine))
        for section in self.sections:
            layout.addWidget(section.widget)
        layout.addStretch(1)
        for section in (self._segment, self._review, self._models):
            section.proposed.connect(self._proposal.show)
            section.proposed.connect(lambda _node: self._review.follow())
        for section in (self._review, self._models):
            self._proposal.decided.connect(section.follow)
        self._project.opened.connect(self._review.follow)
        self._observeScene()
        self._followScene()

    def enter(self) -> None:
        """The person opened the module: get the engine warm while they choose a scan."""
        self._engine.enter()
        self._segment.chooseShownVolume()
        self._review.enter()
        self._project.enter()
        if self.logic.engine.state == STOPPED:
            self.logic.engine.start()

    def exit(self) -> None:
        """The person went to another module: what runs goes on, keys and tools are given back."""
        self._review.exit()

    def addModelFile(self, path: str) -> None:
        """Add and choose a model file that was dropped on Slicer or opened."""
        self._segment.models.addFile(path)

    def cleanup(self) -> None:
        """Slicer quits or the module is reloaded."""
        self._store.detach()  # first: selectors without a scene choose nothing
        for section in self.sections:
            section.release()
            section.setScene(None)
        for each in (self._watch, self._shelf, self._link):
            each.release()
        self.removeObservers()
        self.logic.engine.stopNow()

    def _useProjectModel(self) -> None:
        """Let Segment use whichever model the project uses; a first one is listed when the project was read again."""
        self._segment.models.expect(self.project.path)
        self._store.update(model=self.project.path)

    def _observeScene(self) -> None:
        scene, events = slicer.mrmlScene, slicer.vtkMRMLScene
        self.addObserver(scene, events.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, events.StartImportEvent, self._onSceneStartImport)
        # Closing and importing end with this event. Until then selectors forget their node and the Segment Editor takes
        # up the one of its own selector; what they would write meanwhile must not reach the parameters.
        self.addObserver(scene, events.EndBatchProcessEvent, self._onSceneReplaced, priority=AFTER_WIDGETS)
        self.addObserver(scene, events.NodeAboutToBeRemovedEvent, self._onNodeAboutToBeRemoved)

    def _onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        self._store.detach()
        self._proposal.forgetScene()
        for section in (self._review, self._training, self._models):
            section.forgetScene()

    def _onSceneStartImport(self, _caller: Any, _event: Any) -> None:
        self._store.detach()

    def _onSceneReplaced(self, _caller: Any, _event: Any) -> None:
        if not self._store.isAttached():
            self._followScene()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAboutToBeRemoved(self, _caller: Any, _event: Any, node: Any) -> None:
        self._store.forget(node.GetID())

    def _followScene(self) -> None:
        # Selectors forget their node when they get a scene; what the scene says comes after that.
        self._store.detach()
        for section in self.sections:
            section.setScene(slicer.mrmlScene)
        self._store.attach()
