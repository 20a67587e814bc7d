"""The section in which a person sees where the model is unsure, corrects, and decides what counts as reviewed."""

from __future__ import annotations

from typing import Any, Callable

import qt
import slicer

from VQSegUI import Uncertainty
from VQSegUI.CorrectPart import CorrectPart
from VQSegUI.JobButton import JobSlot
from VQSegUI.Resources import resourcePath
from VQSegUI.UnsurePart import UnsurePart


class ReviewSection:
    """Review and correct section of the panel.

    Attributes:
        widget: What is put into the panel.
        proposed: Emitted with the proposal node of a refinement.
    """

    def __init__(self, logic: Any, store: Any, log: Any, slot: JobSlot, models: Any) -> None:
        self.widget = slicer.util.loadUI(resourcePath("UI/ReviewSection.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._logic, self._store, self._slot, self._models = logic, store, slot, models
        self._offered = ""
        self._unsure = UnsurePart(self._ui, logic, store, log, slot, models)
        self._correct = CorrectPart(self._ui, logic, store, log, slot)
        self.proposed = self._correct.proposed
        self._shortcuts = [
            self._shortcut("N", lambda: self._unsure.step(1)),
            self._shortcut("Shift+N", lambda: self._unsure.step(-1)),
            self._shortcut("M", self._correct.mark),
        ]
        self._connect()
        self._onParametersChanged()

    def setScene(self, scene: Any) -> None:
        """Offer the nodes of a scene."""
        self.widget.setMRMLScene(scene)
        self._correct.editor.setScene(scene)
        self._offered = ""
        Uncertainty.renewColors()

    def enter(self) -> None:
        """The panel is shown."""
        self._correct.enter()

    def exit(self) -> None:
        """Another module is shown."""
        self._correct.exit()

    def forgetScene(self) -> None:
        """The scene is closed."""
        self._correct.forgetScene()

    def release(self) -> None:
        """Hear of the engine no longer, which may outlive the panel."""
        self._unsure.cancel()
        self._correct.cancel()
        self._correct.exit()
        self._correct.forgetScene()
        self._logic.engine.stateChanged.disconnect(self._updateButtons)

    def saveStateForUndo(self, segmentationNode: Any) -> None:
        """Let the Segment Editor's undo take back what VQSeg is about to write."""
        self._correct.editor.saveStateForUndo(segmentationNode)

    def follow(self) -> None:
        """Review a proposal that came, and what it was accepted into when it is gone."""
        parameters = self._store.parameters
        known = [parameters.proposalNodeID, parameters.segmentationNodeID]
        offered = next((each for each in known if each and slicer.mrmlScene.GetNodeByID(each) is not None), "")
        if offered != self._offered:
            self._offered = offered
            self._store.update(reviewedNodeID=offered or None)
        self._correct.updateMarks()

    def _connect(self) -> None:
        selector, store = self._ui.reviewSelector, self._store
        selector.currentNodeIDChanged.connect(lambda nodeID: store.update(reviewedNodeID=nodeID or None))
        store.changed.connect(self._onParametersChanged)
        self._correct.reviewedChanged.connect(self._unsure.showReviewed)
        self._models.changed.connect(self._unsure.updateButton)
        self._slot.changed.connect(self._updateButtons)
        self._logic.engine.stateChanged.connect(self._updateButtons)

    def _onParametersChanged(self) -> None:
        self._ui.reviewSelector.setCurrentNodeID(self._store.parameters.reviewedNodeID or "")
        self._unsure.update()
        self._correct.update()

    def _updateButtons(self) -> None:
        self._unsure.updateButton()
        self._correct.updateMarks()

    def _shortcut(self, keys: str, onPressed: Callable[[], Any]) -> Any:
        """Make a shortcut that works in all of Slicer's window while this section can be seen."""
        shortcut = qt.QShortcut(self.widget)
        shortcut.setKey(qt.QKeySequence(keys))
        shortcut.setContext(qt.Qt.ApplicationShortcut)
        shortcut.activated.connect(onPressed)
        return shortcut
