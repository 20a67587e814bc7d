"""The engine as the panel sees it: ask, hear progress, get an answer; started when needed, and again when it dies."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import qt
from slicer.i18n import tr as _

from VQSegLib.wire import CANCELLED, PROTOCOL, Failure, Notification, Request, Result
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineProcess import EngineProcess
from VQSegUI.HeldScans import HeldScans
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal

STOPPED, STARTING, READY, BROKEN = "stopped", "starting", "ready", "broken"
START_MILLISECONDS = 120_000
CANCEL_MILLISECONDS = 5_000
STORING, STORE_MILLISECONDS = "cases/add", 20_000
"""What is waited for, and how long, when Slicer quits: it was accepted, and nobody would notice that it is missing."""


class Cancelled(Problem):
    """The person stopped the work."""


class EngineDied(Problem):
    """The engine ended in the middle of the work."""


class Reply:
    """What will come of a request; exactly one of ``succeeded`` and ``failed`` is emitted.

    Attributes:
        method: What was asked for.
        succeeded: Emitted with the result.
        failed: Emitted with a `Problem`; a `Cancelled` or `EngineDied` where that was the reason.
        progressed: Emitted with the fraction done (0..1), the stage in words, and the seconds left or None.
    """

    def __init__(self, method: str, cancel: Callable[[Reply], None]) -> None:
        self.method = method
        self.succeeded, self.failed, self.progressed = Signal(), Signal(), Signal()
        self._cancel = cancel

    def cancel(self) -> None:
        """Ask to stop; ``failed`` follows."""
        self._cancel(self)


class Engine:
    """One warm worker.

    Attributes:
        state: `STOPPED`, `STARTING`, `READY` or `BROKEN`.
        stateChanged: Emitted without values.
        information: The worker's answer to ``initialize``; empty before.
        problem: Why the engine is broken; None otherwise.
        heldScans: What the running worker was sent.
        logged: Emitted with text of the worker's log.
    """

    def __init__(self, source: Any, makeProcess: Callable[[EngineCommand], Any] = EngineProcess) -> None:
        self.stateChanged, self.logged = Signal(), Signal()
        self.state, self.problem, self.heldScans = STOPPED, None, HeldScans()
        self.information: Dict[str, Any] = {}
        self._source, self._makeProcess = source, makeProcess
        self._process: Any = None
        self._replies: Dict[int, Reply] = {}
        self._waiting: List[Request] = []
        self._lastID = 0
        self._startTimer = _makeTimer(START_MILLISECONDS, self._onStartTooSlow)
        self._cancelTimer = _makeTimer(CANCEL_MILLISECONDS, self._onCancelTooSlow)

    def start(self) -> None:
        """Start the worker unless it runs; requests wait until it is ready."""
        if self.state in (STARTING, READY):
            return
        try:
            command = self._source.command()
        except Problem as problem:
            self._break(problem)
            return
        self.heldScans = HeldScans()
        self._process = self._makeProcess(command)
        self._process.received.connect(self._onReceived)
        self._process.logged.connect(self.logged.emit)
        self._process.ended.connect(self._onEnded)
        self._setState(STARTING)
        self._startTimer.start()
        hello = self._newReply("initialize")
        hello.succeeded.connect(self._onInitialized)
        hello.failed.connect(self._onRefused)
        self._process.start()
        if self._process is not None:
            self._process.send(Request(self._lastID, "initialize", {"client": "3D Slicer", "protocol": PROTOCOL}))

    def request(self, method: str, params: Optional[Dict[str, Any]] = None) -> Reply:
        """Ask the worker, which is started when it does not run; the answer comes as a signal of the reply."""
        reply = self._newReply(method)
        message = Request(self._lastID, method, params or {})
        if self.state == READY:
            self._process.send(message)
        else:
            self._waiting.append(message)
            # Not now: the caller has not connected to the reply yet.
            qt.QTimer.singleShot(0, self.start)
        return reply

    def can(self, method: str) -> bool:
        """Return whether the running worker knows a method; an older one may not."""
        return method in self.information.get("capabilities", [method])

    def processID(self) -> int:
        """Return the worker's process number, 0 when none runs."""
        return self._process.processID() if self._process is not None else 0

    def restart(self) -> None:
        """End the worker and start it again, for example with another command."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the worker; unanswered requests fail as cancelled."""
        self._end(lambda process: process.stop())

    def stopNow(self) -> None:
        """End the worker before returning: Slicer quits. A case that is being stored is stored first."""
        if self.state == READY:
            self._process.listenWhile(self._isStoring, STORE_MILLISECONDS)
        self._end(lambda process: process.stopNow())

    def _end(self, stop: Callable[[Any], None]) -> None:
        self._startTimer.stop()
        self._stopProcess(stop)
        self._setState(STOPPED)
        self._failAll(Cancelled(_("The engine was stopped.")))

    def _stopProcess(self, stop: Callable[[Any], None]) -> None:
        process, self._process = self._process, None
        if process is not None:
            stop(process)

    def _newReply(self, method: str) -> Reply:
        self._lastID += 1
        reply = self._replies[self._lastID] = Reply(method, self._onCancel)
        return reply

    def _isStoring(self) -> bool:
        return any(reply.method == STORING for reply in self._replies.values())

    def _onInitialized(self, result: Dict[str, Any]) -> None:
        self.information = result
        self._startTimer.stop()
        self._setState(READY)
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self._process.send(message)

    def _onRefused(self, problem: Problem) -> None:
        if self.state == STARTING:
            self._stopProcess(lambda process: process.stop())
            self._break(problem)

    def _onReceived(self, message: Any) -> None:
        if isinstance(message, Result) and message.id in self._replies:
            self._takeReply(message.id).succeeded.emit(message.result)
        elif isinstance(message, Failure) and message.id in self._replies:
            kind = Cancelled if message.code == CANCELLED else Problem
            self._takeReply(message.id).failed.emit(kind(message.message, message.detail))
        elif isinstance(message, Notification) and message.method == "progress":
            reply = self._replies.get(message.params.get("id"))
            if reply is not None:
                told = message.params
                reply.progressed.emit(told.get("fraction", 0.0), told.get("stage", ""), told.get("seconds_left"))

    def _takeReply(self, number: int) -> Reply:
        reply = self._replies.pop(number)
        self._cancelTimer.stop()
        return reply

    def _onCancel(self, reply: Reply) -> None:
        numbers = [number for number, known in self._replies.items() if known is reply]
        for number in numbers:
            waiting = [message for message in self._waiting if message.id == number]
            if waiting:
                self._waiting.remove(waiting[0])
                self._takeReply(number).failed.emit(Cancelled(_("Cancelled.")))
            elif self.state == READY:
                self._process.send(Notification("cancel", {"id": number}))
                self._cancelTimer.start()

    def _onCancelTooSlow(self) -> None:
        self._failAll(Cancelled(_("Cancelled; the engine did not listen and was started again.")))
        self._stopProcess(_killProcess)
        self._setState(STOPPED)
        self.start()

    def _onStartTooSlow(self) -> None:
        self._stopProcess(_killProcess)
        seconds = START_MILLISECONDS // 1000
        self._break(Problem(_("The engine did not answer within {seconds} seconds.").format(seconds=seconds)))

    def _onEnded(self, problem: Problem) -> None:
        wasReady, self._process = self.state == READY, None
        if not wasReady:
            self._break(problem)
            return
        # The answer to the person first: it says what the new start is for.
        sentence = _(
            "The engine stopped unexpectedly, perhaps because memory ran out; it was started again, "
            "and nothing in the scene was changed."
        )
        self._setState(STOPPED)
        self._failAll(EngineDied(sentence, problem.detail))
        self.start()

    def _break(self, problem: Problem) -> None:
        self._startTimer.stop()
        self.problem = problem
        self._setState(BROKEN)
        self._failAll(problem)

    def _failAll(self, problem: Problem) -> None:
        self._cancelTimer.stop()
        self._waiting = []
        replies, self._replies = list(self._replies.values()), {}
        for reply in replies:
            reply.failed.emit(problem)

    def _setState(self, state: str) -> None:
        if state != BROKEN:
            self.problem = None
        if state != READY:
            self.information = {}
        self.state = state
        self.stateChanged.emit()


def _killProcess(process: Any) -> None:
    process.stop()
    process.kill()


def _makeTimer(milliseconds: int, onTimeout: Callable[[], None]) -> Any:
    timer = qt.QTimer()
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(onTimeout)
    return timer
