"""Which engine is used: the command that the person gave, else the private one."""

from __future__ import annotations

from VQSegUI.CommandLine import findProgram, splitCommandLine
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineSettings import EngineSettings


class EngineSource:
    """Answers `command()` for `Engine`.

    Args:
        settings: Holds the person's command.
        install: The private engine.
    """

    def __init__(self, settings: EngineSettings, install: EngineInstall) -> None:
        self._settings, self._install = settings, install

    def command(self) -> EngineCommand:
        """Return the command line that starts a worker.

        Raises:
            Problem: The person's command cannot be used, or none was given and the private engine is not ready.
        """
        text = self._settings.value("command")
        if not text:
            return self._install.command("worker")
        words = splitCommandLine(text)
        findProgram(words)
        return EngineCommand(tuple(words))
