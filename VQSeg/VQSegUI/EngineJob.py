"""One request that needs nothing of the scene, with the signals of a `ScanJob`, so that a `JobButton` can follow it."""

from __future__ import annotations

from typing import Any, Dict, List, Set

import qt
from slicer.i18n import tr as _

from VQSegUI.Engine import READY
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class EngineJob:
    """A request under way.

    Attributes:
        progressed: Emitted with the fraction of the whole (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with the engine's answer.
        failed: Emitted with a `Problem`; `Cancelled` when the person stopped it.
        notes: What the person should know about the result, one sentence each.
    """

    def __init__(self, engine: Any, method: str, params: Dict[str, Any]) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.notes: List[str] = []
        self._engine, self._method, self._params = engine, method, params
        self._reply: Any = None

    def start(self) -> EngineJob:
        """Ask; the answer comes as a signal."""
        if self._engine.state == READY and not self._engine.can(self._method):
            sentence = _("The engine is older than this module and cannot do this; update the engine.")
            # Not now: nobody has connected to the signals yet.
            qt.QTimer.singleShot(0, lambda: self.failed.emit(Problem(sentence)))
            return self
        self._reply = self._engine.request(self._method, self._params)
        self._reply.progressed.connect(self.progressed.emit)
        self._reply.succeeded.connect(self.finished.emit)
        self._reply.failed.connect(self.failed.emit)
        return self

    def cancel(self) -> None:
        """Ask the engine to stop; ``failed`` follows, or ``finished`` when it was too late."""
        if self._reply is not None:
            self._reply.cancel()

    def abandon(self, problem: Problem) -> None:
        """Go on: neither scan nor scene is needed."""

    def nodeIDs(self) -> Set[str]:
        """Return no node."""
        return set()
