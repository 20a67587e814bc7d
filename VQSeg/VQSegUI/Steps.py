"""Long work on the GUI thread, one small step per turn of the event loop, so that the panel stays alive."""

from __future__ import annotations

from typing import Any, Generator

import qt

from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class Steps:
    """Runs a generator one step per timer turn.

    Attributes:
        finished: Emitted without values when the generator is at its end.
        failed: Emitted with the `Problem` that a step raised.
    """

    def __init__(self, work: Generator[Any, None, Any]) -> None:
        self.finished, self.failed = Signal(), Signal()
        self._work, self._isStepping = work, False
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    def start(self) -> None:
        """Do the first step in the next turn of the event loop."""
        self._timer.start()

    def stop(self) -> None:
        """Do no further step and emit nothing; what the generator does at its end is done."""
        self._timer.stop()
        if not self._isStepping:
            self._work.close()

    def isRunning(self) -> bool:
        """Return whether steps are left."""
        return self._timer.isActive()

    def _step(self) -> None:
        self._isStepping = True
        problem, isOver = None, False
        try:
            next(self._work)
        except StopIteration:
            isOver = True
        except Problem as raised:
            problem = raised
        finally:
            self._isStepping = False
        if not self._timer.isActive():  # stopped by what the step did
            self._work.close()
        elif problem is not None or isOver:
            self._timer.stop()
            if problem is not None:
                self.failed.emit(problem)
            else:
                self.finished.emit()


def finish(work: Generator[Any, None, Any]) -> Any:
    """Do all steps at once and return what the generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
