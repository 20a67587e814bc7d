"""Which engine is used: the command that the person gave, else the private one."""

from __future__ import annotations

from typing import Any, Optional

from VQSegUI.CommandLine import findProgram, splitCommandLine
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineSettings import EngineSettings
from VQSegUI.EngineState import READY


class EngineSource:
    """Answers `command()` for `Engine`.

    Args:
        settings: What the person chose; None takes the application's settings.
        install: The private engine; made when none is given.

    Attributes:
        settings: What the person chose.
        install: The private engine.
    """

    def __init__(self, settings: Optional[EngineSettings] = None, install: Optional[EngineInstall] = None) -> None:
        self.settings = settings or EngineSettings()
        self.install = install or EngineInstall(self.settings)

    def command(self) -> EngineCommand:
        """Return the command line that starts a worker.

        Raises:
            Problem: The person's command cannot be used, or none was given and the private engine is not ready.
        """
        text = self.settings.value("command")
        if not text:
            return self.install.command("worker")
        words = splitCommandLine(text)
        findProgram(words)
        return EngineCommand(tuple(words))

    def isReady(self) -> bool:
        """Return whether there is an engine to start."""
        return bool(self.settings.value("command")) or self.install.state().kind == READY


class EngineLink:
    """Ends the engine before its packages change, starts it when there is another one, tells when it does not start.

    Args:
        source: Where the engine's command comes from.
        engine: The running `Engine`.
        engineChanged: Signal of the section that sets the engine up.
    """

    def __init__(self, source: EngineSource, engine: Any, engineChanged: Any) -> None:
        self._source, self._engine = source, engine
        source.install.aboutToChange.connect(engine.stop)
        engineChanged.connect(self._onEngineChanged)
        engine.stateChanged.connect(self._onEngineState)

    def release(self) -> None:
        """Link nothing any more: the engine may outlive the panel."""
        self._source.install.aboutToChange.disconnect(self._engine.stop)
        self._engine.stateChanged.disconnect(self._onEngineState)

    def _onEngineChanged(self) -> None:
        self._engine.stop()
        if self._source.isReady():
            self._engine.start()

    def _onEngineState(self) -> None:
        if not self._source.settings.value("command"):
            problem = self._engine.problem
            self._source.install.reportStart("" if problem is None else str(problem))
