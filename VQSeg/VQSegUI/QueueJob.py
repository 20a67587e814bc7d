"""Accepting a corrected scan into a project: read what was drawn, send the scan, let the engine store both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set

import slicer
from slicer.i18n import tr as _

from VQSegUI import SceneBridge
from VQSegUI.CaseNodes import caseOf, endWork, findLabel, rememberCase, rememberValues, startOfWork
from VQSegUI.Consent import maySendScans
from VQSegUI.DrawnStructures import Drawn, Structure, readDrawnSteps
from VQSegUI.Engine import Cancelled, EngineDied
from VQSegUI.Job import Work
from VQSegUI.LabelTable import modelOf
from VQSegUI.Problem import Problem
from VQSegUI.ScanJob import ScanJob, ScanRequest
from VQSegUI.Segments import Label

TITLE = _("Accept and queue")
QUESTIONS = {
    "empty": _("Store it as a scan in which none of the structures is?"),
    "overlap": _("Let the later segment in the list count there?"),
    "revision": _("Store your labels as the next revision of that case?"),
}


@dataclass(frozen=True)
class Acceptance:
    """What is accepted into which project.

    Attributes:
        segmentationNodeID: Segmentation that was accepted.
        project: Folder of the project where the engine runs.
        annotatorID: Name to be recorded; empty: none.
        isWhole: The person vouches for all slices, not only for those that were edited, marked or looked at.
        samePatientAs: Earlier case of the same patient; empty: none.
    """

    segmentationNodeID: str
    project: str
    annotatorID: str = ""
    isWhole: bool = False
    samePatientAs: str = ""


class QueueJob(ScanJob):
    """An acceptance under way; ``finished`` is emitted with the engine's summary of the case.

    All that is needed of the scene is read first: from then on nodes may go and the scene may be closed.
    """

    method = "cases/add"

    def __init__(
        self,
        engine: Any,
        volumeNodeID: str,
        acceptance: Acceptance,
        confirm: Optional[Callable[[str], bool]] = None,
        maySend: Callable[[Any], bool] = maySendScans,
    ) -> None:
        """Make the job.

        Args:
            confirm: Asks the person a question; None takes Slicer's dialog.
        """
        super().__init__(engine, ScanRequest(volumeNodeID, ""), maySend)
        self._acceptance = acceptance
        self._confirm = confirm or _confirmWithSlicer
        self._labels: List[Label] = []
        self._drawn: Optional[Drawn] = None
        self._asked: Dict[str, Any] = {}
        self._nodes: List[Any] = []

    def nodeIDs(self) -> Set[str]:
        """Return scan and segmentation until they are read."""
        return {self.request.volumeNodeID, self._acceptance.segmentationNodeID} if self._drawn is None else set()

    def abandon(self, problem: Problem) -> None:
        """Stop because something is gone; what is read already needs nothing of the scene."""
        if self._drawn is None:
            super().abandon(problem)

    def _transfer(self) -> None:
        """Ask for the project's labels, then read, then send the scan."""
        self._tell(0.0, _("Opening the project"), None)
        self._request("projects/open", {"project": self._acceptance.project}, self._onProject)

    def _onProject(self, answer: Dict[str, Any]) -> None:
        self._labels = answer["labels"]["labels"]
        self._tell(0.0, _("Reading the segments"), None)
        self._run(self._read(), self._onRead)

    def _read(self) -> Work:
        acceptance, volumeNode = self._acceptance, self._volumeNode()
        node = slicer.mrmlScene.GetNodeByID(acceptance.segmentationNodeID)
        self._nodes = [volumeNode, node]  # not by ID: another scene may give it to another node
        drawn = yield from readDrawnSteps(node, volumeNode, acceptance.project)
        if not drawn.reviewed and not acceptance.isWhole:
            sentence = _(
                "No slice was reviewed yet, so there is nothing to learn from: edit slices, mark some as right, or "
                "tick that you reviewed the whole scan."
            )
            raise Problem(sentence)
        self._asked = {
            "project": acceptance.project,
            "annotator_id": acceptance.annotatorID or None,
            "started": startOfWork(node),
            "reviewed_slices_k": None if acceptance.isWhole else drawn.reviewed,
            "revises": caseOf(volumeNode, acceptance.project) or None,
            "same_patient_as": acceptance.samePatientAs or None,
            "model": modelOf(node) or None,
            "confirmed": [],
        }
        self._drawn = drawn

    def _onRead(self) -> None:
        unknown = [one for one in self._structures() if not one.isKnown(self._labels)]
        if not unknown:
            self._checkAndSend()
            return
        names = ", ".join(f"'{one.name}'" for one in unknown)
        question = _("{names}: not in the label table of the project. Add to the table and go on?")
        if not self._confirm(question.format(names=names)):
            self._fail(Cancelled(_("Not queued; rename or remove segments that are not in the project's label table.")))
            return
        self._addLabel(unknown)

    def _structures(self) -> List[Structure]:
        """Return what is sent; an empty segment that the project does not know is nothing."""
        return [one for one in self._drawn.structures if one.isKnown(self._labels) or not one.isEmpty()]

    def _addLabel(self, unknown: List[Structure]) -> None:
        first, *others = unknown
        params = {"project": self._acceptance.project, "change": "add", **first.look, "name": first.name}

        def onAdded(answer: Dict[str, Any]) -> None:
            self._labels = answer["labels"]
            if others:
                self._addLabel(others)
            else:
                self._checkAndSend()

        self._request("projects/labels", params, onAdded)

    def _checkAndSend(self) -> None:
        super()._transfer()

    def _onSent(self, volume: Any) -> None:
        self._current = None
        volumeNode = self._nodes[0]
        if volumeNode.GetScene() is not None and SceneBridge.scanRevision(volumeNode) != self._scan.revision:
            self._fail(Problem(_("The scan was changed while it was sent; nothing was stored, try again.")))
            return
        self._asked["volume"] = volume
        self._asked["labels"] = [one.toParams() for one in self._structures()]
        if self._asked["model"]:
            self._findModel()
        else:
            self._ask()

    def _findModel(self) -> None:
        """Leave out a model that the engine does not have, for example because another engine proposed."""
        self._current = self._engine.request("models/show", {"model": self._asked["model"]})
        self._current.failed.connect(self._onNoModel)
        self._current.succeeded.connect(lambda _answer: self._goOn(lambda _card: self._ask(), None))

    def _onNoModel(self, problem: Problem) -> None:
        if isinstance(problem, (Cancelled, EngineDied)):
            self._fail(problem)
            return
        self._asked["model"] = None
        self.notes.append(_("Which model proposed is not recorded, because the engine does not have it."))
        self._goOn(lambda _nothing: self._ask(), None)

    def _ask(self) -> None:
        self._params = self._asked
        super()._ask()

    def _fail(self, problem: Problem) -> None:
        """Say that the case may be stored already when the engine died on it."""
        if isinstance(problem, EngineDied) and self._params is self._asked:
            text = _("{problem} Look into the table of cases whether this one was stored; if not, queue it again.")
            problem = EngineDied(text.format(problem=problem), problem.detail)
        super()._fail(problem)

    def _goOn(self, onAnswer: Callable[[Any], None], answer: Any) -> None:
        if isinstance(answer, dict) and answer.get("case") is not None:
            self._isCancelled = False  # it is stored: the wish to stop came too late
        super()._goOn(onAnswer, answer)

    def _onAnswer(self, answer: Dict[str, Any]) -> None:
        """Ask back, or remember the case."""
        if answer["confirm"] is None:
            self.result = answer["case"]
            self._remember(answer["case"]["case_id"])
            self._onTaken()
        elif not self._confirm(f"{answer['sentence']} {QUESTIONS[answer['confirm']]}"):
            self._fail(Cancelled(_("Not queued; nothing was changed.")))
        else:
            self._asked["confirmed"].append(answer["confirm"])
            self._ask()

    def _remember(self, caseID: str) -> None:
        """Let the nodes know their case, as far as they are still there."""
        project, (_volumeNode, segmentationNode) = self._acceptance.project, self._nodes
        for node in self._nodes:
            if node.GetScene() is not None and not SceneBridge.isSequenceFrame(node):
                rememberCase(node, project, caseID)
        if segmentationNode.GetScene() is not None:
            endWork(segmentationNode)
            found = {one.segmentID: findLabel(self._labels, one.name, one.value) for one in self._structures()}
            values = {segmentID: label["value"] for segmentID, label in found.items() if label is not None}
            rememberValues(segmentationNode, project, values)

    def _outcome(self) -> Any:
        return self.result


def _confirmWithSlicer(text: str) -> bool:
    return bool(slicer.util.confirmOkCancelDisplay(text, windowTitle=TITLE))
