"""Long work on the GUI thread, one small step per turn of the event loop, so that the panel stays alive."""

from __future__ import annotations

from typing import Any, Iterator

import qt

from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class Steps:
    """Runs an iterator one item per timer turn.

    Attributes:
        finished: Emitted without values when the iterator is exhausted.
        failed: Emitted with the `Problem` that a step raised.
    """

    def __init__(self, work: Iterator[Any]) -> None:
        self.finished, self.failed = Signal(), Signal()
        self._work = work
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    def start(self) -> None:
        """Do the first step in the next turn of the event loop."""
        self._timer.start()

    def stop(self) -> None:
        """Do no further step and emit nothing."""
        self._timer.stop()

    def isRunning(self) -> bool:
        """Return whether steps are left."""
        return self._timer.isActive()

    def _step(self) -> None:
        try:
            next(self._work)
        except StopIteration:
            self._timer.stop()
            self.finished.emit()
        except Problem as problem:
            self._timer.stop()
            self.failed.emit(problem)
