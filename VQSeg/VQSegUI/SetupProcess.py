"""QProcess for a program that only talks: bytes out, end; closing its input asks it to stop."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import qt

from VQSegUI.Signal import Signal

STOP_MILLISECONDS = 20_000


class SetupProcess:
    """One run of a program.

    Attributes:
        printed: Emitted with bytes of its standard output.
        complained: Emitted with bytes of its standard error.
        ended: Emitted once with the exit status; None if it could not be started, then with the reason as second value.
    """

    def __init__(self) -> None:
        self.printed, self.complained, self.ended = Signal(), Signal(), Signal()
        self._hasEnded = False
        self._process: Any = qt.QProcess()
        self._process.setProcessChannelMode(qt.QProcess.SeparateChannels)
        self._process.readyReadStandardOutput.connect(self._onOutput)
        self._process.readyReadStandardError.connect(self._onError)
        self._process.errorOccurred.connect(self._onFailure)
        self._process.finished.connect(self._onFinished)
        self._killTimer: Any = qt.QTimer()
        self._killTimer.setSingleShot(True)
        self._killTimer.setInterval(STOP_MILLISECONDS)
        self._killTimer.timeout.connect(self._process.kill)

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program with exactly this environment."""
        variables = qt.QProcessEnvironment()
        for name, value in environment.items():
            variables.insert(name, value)
        self._process.setProcessEnvironment(variables)
        program, *arguments = command
        self._process.start(program, list(arguments))

    def stop(self) -> None:
        """Ask it to stop; it is killed when it does not listen."""
        if not self._hasEnded:
            self._process.closeWriteChannel()
            self._killTimer.start()

    def processID(self) -> int:
        """Return the operating system's number of the process, 0 when it does not run."""
        return int(self._process.processId()) if self._process is not None else 0

    def _onOutput(self) -> None:
        self.printed.emit(self._process.readAllStandardOutput().data())

    def _onError(self) -> None:
        self.complained.emit(self._process.readAllStandardError().data())

    def _onFailure(self, error: Any) -> None:
        if error == qt.QProcess.FailedToStart:  # every other error is followed by `finished`
            self._end(None, self._process.errorString())

    def _onFinished(self, exitCode: int) -> None:
        self._end(int(exitCode), "")

    def _end(self, exitCode: Optional[int], reason: str) -> None:
        if not self._hasEnded:
            self._hasEnded = True
            self._killTimer.stop()
            # From the event loop: a listener may drop this object, and QProcess must not vanish under its own signal.
            qt.QTimer.singleShot(0, lambda: self._release(exitCode, reason))

    def _release(self, exitCode: Optional[int], reason: str) -> None:
        # PythonQt would keep this object, whose methods are connected, for as long as process and timer live.
        self._process = self._killTimer = None
        self.ended.emit(exitCode, reason)
