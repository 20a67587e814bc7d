"""The section in which a person accepts or rejects what was proposed."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Optional

import slicer
from slicer.i18n import tr as _

from VQSegUI import Proposal
from VQSegUI.Decisions import Decision, Decisions
from VQSegUI.LabelTable import modelOf
from VQSegUI.Problem import Problem
from VQSegUI.Resources import resourcePath
from VQSegUI.SegmentBridge import referenceVolume
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps


class ProposalSection:
    """Proposal section of the panel.

    Attributes:
        widget: What is put into the panel.
        decided: Emitted without values when something was accepted, rejected or taken back.
    """

    def __init__(self, store: Any, log: Any, saveStateForUndo: Callable[[Any], None] = lambda _node: None) -> None:
        """Make the section.

        Args:
            store: The panel's parameters.
            log: The panel's log.
            saveStateForUndo: Called with a segmentation node before VQSeg writes into it, so that an open Segment
                Editor can take the change back too.
        """
        self._store, self._log, self._saveStateForUndo = store, log, saveStateForUndo
        self.decided = Signal()
        self._decisions = Decisions()
        self._steps: Optional[Steps] = None
        self._onAcceptedAll: Callable[[Optional[Problem]], None] = _ignore
        self.widget = slicer.util.loadUI(resourcePath("UI/ProposalSection.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._connect()
        self._onParametersChanged()

    def setScene(self, scene: Any) -> None:
        """Offer the nodes of a scene."""
        self.widget.setMRMLScene(scene)

    def forgetScene(self) -> None:
        """The scene is closed: its decisions cannot be undone any more."""
        self.release()
        self._steps = None
        self._decisions.forget()
        self._update()

    def release(self) -> None:
        """Stop what is under way."""
        if self._steps is not None:
            self._steps.stop()

    def show(self, proposalNode: Any) -> None:
        """Show a new proposal; what is accepted of it goes to a segmentation of the same scan."""
        self._store.update(proposalNodeID=proposalNode.GetID(), segmentationNodeID=self._targetFor(proposalNode))
        self._ui.proposalCollapsibleButton.collapsed = False

    def acceptWaiting(self, onDone: Callable[[Optional[Problem]], None]) -> None:
        """Accept the whole proposal that waits; ``onDone`` is called with None, or with why it was not accepted."""
        if self._steps is not None:
            onDone(Problem(_("Wait until the last decision is carried out.")))
        else:
            self._onAcceptedAll = onDone
            self._onAcceptAll()

    def _connect(self) -> None:
        ui = self._ui
        ui.acceptAllButton.clicked.connect(self._onAcceptAll)
        ui.acceptSelectedButton.clicked.connect(self._onAcceptSelected)
        ui.rejectButton.clicked.connect(self._onReject)
        ui.undoButton.clicked.connect(self._onUndo)
        ui.segmentsTable.selectionChanged.connect(self._onSelectionChanged)
        ui.targetSelector.currentNodeIDChanged.connect(self._onTargetChosen)
        self._store.changed.connect(self._onParametersChanged)

    def _onAcceptAll(self) -> None:
        self._accept(Proposal.segmentIDs(self._proposal()))

    def _onAcceptSelected(self) -> None:
        self._accept(list(self._ui.segmentsTable.selectedSegmentIDs()))

    def _accept(self, ids: List[str]) -> None:
        proposal, target = self._proposal(), self._target()
        if target is None:
            target = self._newTarget(proposal)
            self._store.update(segmentationNodeID=target.GetID())
        self._saveStateForUndo(target)
        self._run(self._decisions.accept(proposal, ids, target), lambda decision: self._onAccepted(decision, target))

    def _run(self, decisions: Iterator[Decision], onDone: Callable[[Optional[Decision]], None]) -> None:
        """Carry out a decision step by step, with the buttons off."""
        outcome: List[Decision] = []
        self._steps = Steps(outcome.append(decision) for decision in decisions)
        self._steps.failed.connect(self._onFailed)
        self._steps.finished.connect(lambda: self._onDone(onDone, outcome[-1] if outcome else None))
        self._update()
        self._steps.start()

    def _onDone(self, onDone: Callable[[Optional[Decision]], None], decision: Optional[Decision]) -> None:
        self._steps = None
        onDone(decision)

    def _onAccepted(self, decision: Optional[Decision], target: Any) -> None:
        accepted = _("Accepted {count} segments into '{name}'.")
        count = len(decision.moves) if decision is not None else 0
        self.decided.emit()
        self._say(" ".join([accepted.format(count=count, name=target.GetName()), *_keptSentence(decision)]))
        self._tellAccepted(None)

    def _onReject(self) -> None:
        self._decisions.reject(self._proposal())
        self.decided.emit()
        self._say(_("Rejected; Undo brings the proposal back."))

    def _onUndo(self) -> None:
        volumeID = self._store.parameters.inputVolumeID
        volumeNode = slicer.mrmlScene.GetNodeByID(volumeID) if volumeID else None
        self._run(self._decisions.undo(volumeNode), self._onUndone)

    def _onUndone(self, undone: Optional[Decision]) -> None:
        if undone.proposalNode.GetScene() is not None:
            self._store.update(proposalNodeID=undone.proposalNode.GetID())
        self.decided.emit()
        self._say(" ".join([_("Taken back."), *_keptSentence(undone)]))

    def _onFailed(self, problem: Problem) -> None:
        self._steps = None
        self._log.add(problem.detail)
        self._say(str(problem))
        self._tellAccepted(problem)

    def _tellAccepted(self, problem: Optional[Problem]) -> None:
        onDone, self._onAcceptedAll = self._onAcceptedAll, _ignore
        onDone(problem)

    def _newTarget(self, proposal: Any) -> Any:
        volumeNode = referenceVolume(proposal)
        name = volumeNode.GetName() if volumeNode is not None else _("VQSeg")
        return Proposal.createSegmentationLike(proposal, _("{volume} segmentation").format(volume=name))

    def _targetFor(self, proposalNode: Any) -> Optional[str]:
        """Return the chosen target, but one of the proposal's scan where that belongs to another; None: a new one."""
        target, volumeNode = self._target(), referenceVolume(proposalNode)
        if target is None or volumeNode is None or referenceVolume(target) in (None, volumeNode):
            return self._store.parameters.segmentationNodeID
        nodes = [node for node in Proposal.segmentationsOf(volumeNode) if modelOf(node)]
        return nodes[-1].GetID() if nodes else None

    def _onTargetChosen(self, nodeID: str) -> None:
        self._store.update(segmentationNodeID=nodeID or None)

    def _onParametersChanged(self) -> None:
        parameters = self._store.parameters
        self._ui.targetSelector.setCurrentNodeID(parameters.segmentationNodeID or "")
        self._ui.segmentsTable.setSegmentationNode(self._proposal())
        self._ui.show3DButton.setSegmentationNode(self._proposal())
        self._update()

    def _onSelectionChanged(self, _selected: Any, _deselected: Any) -> None:
        self._update()

    def _say(self, text: str) -> None:
        if text:
            self._log.add(text)
        self._update(text)

    def _update(self, text: str = "") -> None:
        ui, proposal = self._ui, self._proposal()
        canDecide = proposal is not None and self._steps is None
        selected = list(ui.segmentsTable.selectedSegmentIDs()) if proposal is not None else []
        ui.acceptAllButton.enabled = ui.rejectButton.enabled = canDecide
        ui.acceptSelectedButton.enabled = canDecide and bool(selected)
        ui.undoButton.enabled = self._decisions.canUndo() and self._steps is None
        ui.show3DButton.enabled = proposal is not None
        waiting = _("'{name}' waits for your decision.").format(name=proposal.GetName()) if proposal is not None else ""
        ui.proposalLabel.text = text or waiting or _("No proposal yet.")

    def _proposal(self) -> Any:
        nodeID = self._store.parameters.proposalNodeID
        node = slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None
        return node if Proposal.isProposal(node) else None

    def _target(self) -> Any:
        nodeID = self._store.parameters.segmentationNodeID
        return slicer.mrmlScene.GetNodeByID(nodeID) if nodeID else None


def _ignore(_problem: Optional[Problem]) -> None:
    """Nobody asked for it."""


def _keptSentence(decision: Optional[Decision]) -> List[str]:
    if decision is None or not decision.kept:
        return []
    sentence = _("Left as they are, because a person edited or locked them: {names}.")
    return [sentence.format(names=", ".join(decision.kept))]
