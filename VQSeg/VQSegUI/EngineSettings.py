"""What a person chose about the engine, kept in the application's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

import qt
import slicer

from VQSegUI.EngineCommand import COMMAND_KEY
from VQSegUI.EngineLayout import EngineLayout, runningPython

AUTOMATIC = ""
KEYS = {
    "command": COMMAND_KEY,
    "build": "VQSeg/EngineBuild",
    "folder": "VQSeg/EngineFolder",
    "proxy": "VQSeg/Proxy",
    "certificates": "VQSeg/Certificates",
    "packageIndex": "VQSeg/PackageIndex",
    "torchIndex": "VQSeg/TorchIndex",
}


class EngineSettings:
    """Named texts; an empty one means that nothing was chosen.

    Args:
        store: Where they are kept; None takes the application's settings.
    """

    def __init__(self, store: Any = None) -> None:
        self._store = store if store is not None else slicer.app.settings()

    def value(self, name: str) -> str:
        """Return what was chosen: one of `KEYS`."""
        return str(self._store.value(KEYS[name]) or "")

    def setValue(self, name: str, text: str) -> None:
        """Keep a choice."""
        self._store.setValue(KEYS[name], text.strip())

    def layout(self, python: Optional[str] = None) -> EngineLayout:
        """Return the private folder: one per Python version, because two Slicer versions may share the parent.

        Args:
            python: Version of the Python that runs the engine; None for Slicer's own.
        """
        parent = self.value("folder") or defaultFolder()
        # Below the chosen folder, never in it: what lies there is not ours to delete.
        return EngineLayout(Path(parent) / "VQSeg" / (python or runningPython()).replace(".", ""))

    def pipEnvironment(self) -> Dict[str, str]:
        """Return pip's settings for the network."""
        chosen = {
            "PIP_PROXY": self.value("proxy"),
            "PIP_CERT": self.value("certificates"),
            "PIP_INDEX_URL": self.value("packageIndex"),
        }
        return {name: text for name, text in chosen.items() if text}


def defaultFolder() -> str:
    """Return the folder for a user's application data, which is on a local disk and short on Windows."""
    return str(qt.QStandardPaths.writableLocation(qt.QStandardPaths.GenericDataLocation))
