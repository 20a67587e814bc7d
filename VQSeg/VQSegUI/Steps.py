"""Long work on the GUI thread, one small step per turn of the event loop, so that the panel stays alive."""

from __future__ import annotations

from functools import partial
from typing import Any, Generator

import qt
from slicer.i18n import tr as _

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
        self._work, self._isStepping, self._isRunning = work, False, False
        self._timer: Any = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    def start(self) -> None:
        """Do the first step in the next turn of the event loop; only once."""
        self._isRunning = True
        self._timer.start()

    def stop(self) -> None:
        """Do no further step and emit nothing; what the generator does at its end is done."""
        self._end()
        if not self._isStepping:
            self._work.close()

    def isRunning(self) -> bool:
        """Return whether steps are left."""
        return self._isRunning

    def _step(self) -> None:
        self._isStepping, outcome = True, self._failUnexpectedly
        try:
            next(self._work)
            outcome = _goOn
        except StopIteration:
            outcome = self.finished.emit
        except Problem as problem:
            outcome = partial(self.failed.emit, problem)
        finally:  # anything else that was raised goes on to Slicer's error log, but nobody may wait for an end
            self._isStepping = False
            if not self._isRunning:  # stopped by what the step did
                self._work.close()
            elif outcome is not _goOn:
                self._end()
                outcome()

    def _failUnexpectedly(self) -> None:
        self.failed.emit(Problem(_("Something unexpected went wrong; Slicer's error log (menu View) says what.")))

    def _end(self) -> None:
        self._isRunning = False
        if self._timer is not None:
            self._timer.stop()
            # In the next turn, because the timer may be in its own signal now.
            qt.QTimer.singleShot(0, self._dropTimer)

    def _dropTimer(self) -> None:
        """Break the circle: PythonQt keeps what is connected to a timer for as long as the timer lives."""
        self._timer = None


def _goOn() -> None:
    """Stands for a step after which there are more."""


def finish(work: Generator[Any, None, Any]) -> Any:
    """Do all steps at once and return what the generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value
