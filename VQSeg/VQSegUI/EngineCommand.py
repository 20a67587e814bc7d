"""The command line that starts an engine, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

import qt
import slicer

from VQSegLib.wire_command import find_remote_host, prepare_command

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
