"""Two models on one scan: two segmentations, one after the other, each a proposal that bears its model's name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import slicer
from slicer.i18n import tr as _

from VQSegUI.Consent import maySendScans
from VQSegUI.Job import Work
from VQSegUI.Problem import Problem
from VQSegUI.ScanJob import ScanRequest
from VQSegUI.SegmentJob import SegmentJob
from VQSegUI.Signal import Signal


@dataclass(frozen=True)
class ComparedModel:
    """One of two models.

    Attributes:
        id: Model as `segment` takes it.
        name: Name that its proposal bears.
    """

    id: str
    name: str


class NamedSegmentJob(SegmentJob):
    """A segmentation whose proposal is named by its model and lets some other proposals be.

    Attributes:
        kept: IDs of proposals that do not make way.
    """

    def __init__(self, engine: Any, request: ScanRequest, name: str, maySend: Callable[[Any], bool]) -> None:
        super().__init__(engine, request, maySend)
        self.kept: List[str] = []
        self._name = name

    def _take(self, answer: Dict[str, Any]) -> Work:
        yield from super()._take(answer)
        name = _("{volume}: {model}").format(volume=self._volumeNode().GetName(), model=self._name)
        self._proposal().SetName(slicer.mrmlScene.GenerateUniqueName(name))

    def _replaceable(self) -> List[str]:
        return [each for each in super()._replaceable() if each not in self.kept]


class CompareJob:
    """Both segmentations as one piece of work; ``finished`` is emitted with the two proposal nodes.

    Attributes:
        progressed: Emitted with the fraction done (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with the proposals in the order of the models.
        failed: Emitted with a `Problem`; the scene is as before, but for earlier proposals that nobody touched.
        models: The two models.
        notes: What the person should know, one sentence each.
    """

    def __init__(
        self,
        engine: Any,
        request: ScanRequest,
        models: Tuple[ComparedModel, ComparedModel],
        maySend: Callable[[Any], bool] = maySendScans,
    ) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.models = models
        self.notes: List[str] = []
        self._jobs = [NamedSegmentJob(engine, replace(request, model=each.id), each.name, maySend) for each in models]
        self._madeIDs: List[str] = []

    def start(self) -> None:
        """Begin with the first model.

        Raises:
            Problem: The volume or the ROI cannot be used; nothing was started.
        """
        self._start(0)

    def cancel(self) -> None:
        """Stop at the person's wish; ``failed`` follows."""
        self._jobs[len(self._madeIDs)].cancel()

    def abandon(self, problem: Problem) -> None:
        """Stop because the result has no place any more."""
        self._jobs[len(self._madeIDs)].abandon(problem)

    def nodeIDs(self) -> Set[str]:
        """Return the nodes without which the work is in vain."""
        return self._jobs[0].nodeIDs()

    def _start(self, number: int) -> None:
        job, name = self._jobs[number], self.models[number].name
        job.kept = list(self._madeIDs)

        def onProgress(fraction: float, stage: str, _secondsLeft: Optional[float]) -> None:
            self.progressed.emit((number + fraction) / len(self._jobs), f"{name}: {stage}", None)

        job.progressed.connect(onProgress)
        job.failed.connect(self._onFailed)
        job.finished.connect(self._onFinished)
        job.start()

    def _onFinished(self, proposalNode: Any) -> None:
        self._madeIDs.append(proposalNode.GetID())
        self.notes += self._jobs[len(self._madeIDs) - 1].notes
        if len(self._madeIDs) < len(self._jobs):
            try:
                self._start(len(self._madeIDs))
            except Problem as problem:
                self._onFailed(problem)
            return
        nodes = [slicer.mrmlScene.GetNodeByID(nodeID) for nodeID in self._madeIDs]
        if None in nodes:
            self._onFailed(Problem(_("A proposal was deleted meanwhile, so there is nothing to compare.")))
        else:
            self.finished.emit(nodes)

    def _onFailed(self, problem: Problem) -> None:
        for node in [slicer.mrmlScene.GetNodeByID(nodeID) for nodeID in self._madeIDs]:
            if node is not None:
                slicer.mrmlScene.RemoveNode(node)
        self.failed.emit(problem)
