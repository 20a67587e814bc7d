"""Follows the training runs of the open project; they are processes of their own and go on without this panel."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import qt

from VQSegUI.Engine import READY, Cancelled, EngineDied
from VQSegUI.Problem import Problem
from VQSegUI.RunEvents import RunEvents
from VQSegUI.Signal import Signal

POLL_MILLISECONDS = 1000
LOG_LINES = 200
RUNNING = "running"

Run = Dict[str, Any]
"""A run as the engine describes it: run_id, state, stage, step, steps, seconds_left, spec, result."""


class RunWatch:
    """Shows one run of the project: the one under way, else the last one. Asks about it only while it is under way.

    Attributes:
        changed: Emitted without values when the run, or whether it can be watched, changed.
        moved: Emitted without values when the run told something for its curves.
        logged: Emitted without values when ``log`` changed.
        ended: Emitted with the run when it was under way and is no longer.
        failed: Emitted with a `Problem`.
        run: The run that is shown; None when the project has none.
        events: What it has told so far.
        log: The last lines that its process wrote, as far as somebody wants them.
    """

    def __init__(self, engine: Any, project: Any, milliseconds: Optional[int] = None) -> None:
        """Follow the runs.

        Args:
            engine: The `Engine`.
            project: The `ProjectState`.
            milliseconds: Pause between two questions; None: about a second.
        """
        self.changed, self.moved, self.logged = Signal(), Signal(), Signal()
        self.ended, self.failed = Signal(), Signal()
        self.run: Optional[Run] = None
        self.events = RunEvents()
        self.log: List[str] = []
        self._wantsLog = False
        self._engine, self._project, self._path = engine, project, ""
        self._reply: Any = None
        self._lastProblem = ""
        self._timer: Any = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds or POLL_MILLISECONDS)
        self._timer.timeout.connect(self._poll)
        project.changed.connect(self.look)
        engine.stateChanged.connect(self._onEngineState)

    def isRunning(self) -> bool:
        """Return whether the run was under way when it was last asked."""
        return self.run is not None and self.run["state"] == RUNNING

    def isConnected(self) -> bool:
        """Return whether the engine can be asked; the run itself does not need it."""
        return bool(self._engine.state == READY)

    def look(self) -> None:
        """Look which runs the project has, now that something may be different."""
        if self._timer is None:
            return  # the panel is gone
        self._timer.stop()
        self._reply = None
        if not self._project.isOpen() or self._project.path != self._path:
            self._show(None)
        self._path = self._project.path if self._project.isOpen() else ""
        if self._path and self.isConnected() and self._engine.can("runs/list"):
            self._ask("runs/list", {}, self._onListed)

    def follow(self, run: Run) -> None:
        """Show a run that was just started, paused, stopped or resumed."""
        self._show(run)
        self._poll()

    def fetchLog(self, isWanted: bool) -> None:
        """Fetch the log with everything else from now on, or leave it."""
        self._wantsLog = isWanted
        if isWanted:
            self._poll()

    def release(self) -> None:
        """Hear of engine and project no longer, which may outlive the panel; the run goes on. Once is enough."""
        if self._timer is None:
            return
        self._timer.stop()
        # PythonQt would keep this object, whose method is connected, for as long as the timer lives.
        self._timer = self._reply = None
        self._project.changed.disconnect(self.look)
        self._engine.stateChanged.disconnect(self._onEngineState)

    def _show(self, run: Optional[Run]) -> None:
        """Show another state of the run, or another run."""
        before, self.run = self.run, run
        isSame = before is not None and run is not None and before["run_id"] == run["run_id"]
        if not isSame:
            self.events = RunEvents()
            self.moved.emit()
            self._takeLog([])
        if before != run:
            self.changed.emit()
        if isSame and before["state"] == RUNNING != run["state"]:
            self.ended.emit(run)

    def _poll(self) -> None:
        if self.run is not None and self._path and self.isConnected():
            self._timer.stop()
            asked = {"run": self.run["run_id"], "first_event": self.events.next}
            if self._wantsLog:
                asked["log_lines"] = LOG_LINES
            self._ask("runs/show", asked, self._onShown)

    def _ask(self, method: str, params: Dict[str, Any], onAnswer: Callable[[Dict[str, Any]], None]) -> None:
        # The last question counts: answers to earlier ones are about another project or run.
        reply = self._reply = self._engine.request(method, {"project": self._path, **params})
        reply.succeeded.connect(lambda answer: onAnswer(answer) if reply is self._reply else None)
        reply.failed.connect(lambda problem: self._onFailed(problem) if reply is self._reply else None)

    def _onListed(self, answer: Dict[str, Any]) -> None:
        run = _chooseRun(answer["runs"])
        self._show(run)
        self._poll()

    def _onShown(self, answer: Dict[str, Any]) -> None:
        self._reply, self._lastProblem = None, ""
        if self.events.take(answer["first_event"], answer["events"]):
            self.moved.emit()
        self._takeLog(answer.get("log", self.log))
        self._show(answer["run"])
        if self.isRunning() and self._reply is None:
            self._timer.start()

    def _takeLog(self, lines: List[str]) -> None:
        if lines != self.log:
            self.log = lines
            self.logged.emit()

    def _onFailed(self, problem: Problem) -> None:
        self._reply = None
        if isinstance(problem, (Cancelled, EngineDied)):
            return  # the next engine is asked again
        if str(problem) != self._lastProblem:
            self._lastProblem = str(problem)
            self.failed.emit(problem)
        if self.isRunning():
            self._timer.start()  # a shared folder may be away for a moment

    def _onEngineState(self) -> None:
        # A new engine opens the project again, which is when the run is looked for again.
        self._timer.stop()
        self.changed.emit()


def _chooseRun(runs: List[Run]) -> Optional[Run]:
    """Return the run under way, else the last one."""
    running = [run for run in runs if run["state"] == RUNNING]
    return (running or runs or [None])[-1]
