"""QProcess around a worker command: messages in and out as signals, nothing ever waited for."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Set

import qt
from slicer.i18n import tr as _

from VQSegLib.wire import BadFrame, Message, WireError, encode
from VQSegLib.wire_command import describe_start_failure
from VQSegLib.wire_decoder import Decoder
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal

KEPT_LOG_CHARACTERS = 20_000
QUIT_MILLISECONDS, LISTEN_MILLISECONDS = 1500, 50
PIECE_BYTES = 4_000_000

_alive: Set[EngineProcess] = set()
"""Every process that was started and has not ended: QProcess must not be destroyed before, nor in its own signals."""


class EngineProcess:
    """One run of a worker; a new object is made for every start.

    Attributes:
        received: Emitted with every message of the worker.
        logged: Emitted with text the worker wrote to its log (stderr).
        ended: Emitted once with a `Problem` that says why, unless `stop` was called.
        log: End of what the worker wrote to its log.
    """

    def __init__(self, command: EngineCommand) -> None:
        self.received, self.logged, self.ended = Signal(), Signal(), Signal()
        self.log = ""
        self._command = command
        self._decoder = Decoder()
        self._isOver = False
        self._unsent: List[memoryview] = []
        self._process: Any = self._makeProcess()

    def start(self) -> None:
        """Start the program; a failure arrives as ``ended``."""
        program, *arguments = self._command.startable()
        _alive.add(self)
        self._process.start(program, arguments)

    def send(self, message: Message) -> None:
        """Write a message; it leaves as fast as the worker reads."""
        try:
            buffers = encode(message)
        except WireError as error:
            raise Problem(str(error)) from error
        self._unsent.extend(buffers)
        self._write()

    def processID(self) -> int:
        """Return the operating system's number of the process, 0 when it does not run."""
        return int(self._process.processId()) if self._process is not None else 0

    def stop(self) -> None:
        """End the worker: it ends by itself when its input closes, and is killed when it does not."""
        self._isOver = True
        if not self._isRunning():
            return
        self._process.closeWriteChannel()
        qt.QTimer.singleShot(QUIT_MILLISECONDS, self.kill)

    def stopNow(self) -> None:
        """End the worker before returning, for when Slicer quits and no event loop will run any more."""
        self._isOver = True
        if not self._isRunning():
            return
        self._process.closeWriteChannel()
        if not self._process.waitForFinished(QUIT_MILLISECONDS):
            self.kill()
            self._process.waitForFinished(QUIT_MILLISECONDS)

    def listenWhile(self, isWanted: Callable[[], bool], milliseconds: int) -> None:
        """Take messages without an event loop for as long as something is wanted, and at most for a time."""
        clock = qt.QElapsedTimer()
        clock.start()
        while isWanted() and self._isRunning() and clock.elapsed() < milliseconds:
            self._process.waitForReadyRead(LISTEN_MILLISECONDS)

    def kill(self) -> None:
        """End a worker that no longer listens."""
        if self._isRunning():
            self._process.kill()

    def _isRunning(self) -> bool:
        return self._process is not None and self._process.state() != qt.QProcess.NotRunning

    def _write(self) -> None:
        """Hand over a few MB; label maps of a whole scan at once would hold up the window."""
        while self._unsent and not self._isOver and self._process.bytesToWrite() < PIECE_BYTES:
            buffer = self._unsent.pop(0)
            self._process.write(qt.QByteArray(bytes(buffer[:PIECE_BYTES])))
            if len(buffer) > PIECE_BYTES:
                self._unsent.insert(0, buffer[PIECE_BYTES:])

    def _makeProcess(self) -> Any:
        process = qt.QProcess()
        process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        process.setProcessEnvironment(self._command.processEnvironment())
        process.readyReadStandardOutput.connect(self._onOutput)
        process.readyReadStandardError.connect(self._onLog)
        process.bytesWritten.connect(lambda _count: self._write())
        process.errorOccurred.connect(self._onError)
        process.finished.connect(self._onFinished)
        return process

    def _onOutput(self) -> None:
        for message in self._decoder.feed(self._process.readAllStandardOutput().data()):
            if isinstance(message, BadFrame):
                self._addToLog(message.text.decode("utf-8", "replace") + "\n")
            else:
                self.received.emit(message)

    def _onLog(self) -> None:
        self._addToLog(self._process.readAllStandardError().data().decode("utf-8", "replace"))

    def _addToLog(self, text: str) -> None:
        self.log = (self.log + text)[-KEPT_LOG_CHARACTERS:]
        self.logged.emit(text)

    def _onError(self, error: Any) -> None:
        if error == qt.QProcess.FailedToStart:  # every other error is followed by `finished`
            self._end(None)

    def _onFinished(self, exitCode: int) -> None:
        hasCrashed = self._process.exitStatus() == qt.QProcess.CrashExit
        self._end(-(exitCode or 1) if hasCrashed else exitCode)

    def _end(self, exitCode: Optional[int]) -> None:
        # Later, when QProcess is no longer in its own signal and may be destroyed.
        qt.QTimer.singleShot(0, lambda: self._release(exitCode))

    def _release(self, exitCode: Optional[int]) -> None:
        _alive.discard(self)
        self._process = None  # PythonQt would keep this object, whose methods are connected, as long as the process
        if self._isOver:
            return
        self._isOver = True
        sentence = describe_start_failure(list(self._command.arguments), exitCode, self.log)
        self.ended.emit(Problem(sentence, _("Exit status: {code}").format(code=exitCode)))
