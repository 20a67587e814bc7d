"""The command line that starts an engine, wherever it runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

import qt
import slicer
from slicer.i18n import tr as _

from VQSegLib.wire_command import find_remote_host, prepare_command
from VQSegUI.Problem import Problem

COMMAND_KEY = "VQSeg/EngineCommand"


@dataclass(frozen=True)
class EngineCommand:
    """A program with arguments, and what its environment has beside the one Slicer was started in.

    Attributes:
        arguments: Program first, for example ``("ssh", "gpu01", "vqseg", "worker")``.
        environment: Variables that are added or replaced.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def remoteHost(self) -> Optional[str]:
        """Host that scans are sent to; None when the command itself names none."""
        return find_remote_host(self.arguments)

    def startable(self) -> Sequence[str]:
        """Return the arguments to start: where a password would be asked for, nobody could type it, so it must fail."""
        return prepare_command(self.arguments)

    def processEnvironment(self) -> Any:
        """Return the whole environment: Slicer's own libraries and Python paths must not reach the engine."""
        environment = qt.QProcessEnvironment()
        for name, value in {**slicer.util.startupEnvironment(), **self.environment}.items():
            environment.insert(name, value)
        return environment


class CommandFromSettings:
    """The command that the person gave; kept in the application's settings."""

    def command(self) -> EngineCommand:
        """Return the command.

        Raises:
            Problem: None was given, or its quotation marks do not match.
        """
        text = self.text()
        if not text:
            raise Problem(_("No engine is set up yet; install it, or give the command that starts one."))
        try:
            return EngineCommand(tuple(shlex.split(text)))
        except ValueError:
            sentence = _("The engine's command '{command}' has an opening quotation mark without a closing one.")
            raise Problem(sentence.format(command=text)) from None

    def text(self) -> str:
        """Return the command as it was typed; empty when none was given."""
        return str(slicer.app.settings().value(COMMAND_KEY) or "")

    def setText(self, text: str) -> None:
        """Keep another command."""
        slicer.app.settings().setValue(COMMAND_KEY, text.strip())
