"""One request to the engine that takes a while and is about no scan, as work that a `JobButton` can follow."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import qt
from slicer.i18n import tr as _

from VQSegUI.Engine import Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class EngineJob:
    """A request under way; ``finished`` is emitted with the engine's answer.

    Attributes:
        progressed: Emitted with the fraction done (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with the answer.
        failed: Emitted with a `Problem`; `Cancelled` when the person stopped it.
        params: What is asked.
        notes: What the engine says beside the answer, one sentence each.
    """

    def __init__(self, engine: Any, method: str, params: Dict[str, Any]) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.notes: List[str] = []
        self.params = params
        self._engine, self._method = engine, method
        self._reply: Any = None
        self._isOver = False

    def start(self) -> None:
        """Ask; everything that comes of it arrives as signals, later than this."""
        qt.QTimer.singleShot(0, self._ask)

    def cancel(self) -> None:
        """Stop at the person's wish; ``failed`` follows, unless the engine was faster."""
        if self._reply is not None:
            self._reply.cancel()
        else:
            self._fail(Cancelled(_("Cancelled.")))

    def _ask(self) -> None:
        if self._isOver:
            return
        self._reply = self._engine.request(self._method, self.params)
        self._reply.progressed.connect(self._onProgress)
        self._reply.succeeded.connect(self._onAnswer)
        self._reply.failed.connect(self._fail)

    def _onProgress(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        if not self._isOver:
            self.progressed.emit(fraction, stage, secondsLeft)

    def _onAnswer(self, answer: Dict[str, Any]) -> None:
        if not self._isOver:
            self._isOver = True
            self.notes = list(answer.get("notes") or [])
            self.finished.emit(answer)

    def _fail(self, problem: Problem) -> None:
        if not self._isOver:
            self._isOver = True
            self.failed.emit(problem)
