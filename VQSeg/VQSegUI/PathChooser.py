"""Choosing folders and files on the computer where the engine runs, which may be another one."""

from __future__ import annotations

import platform
from typing import Any, Callable, List

import qt

from VQSegUI.FolderDialog import FolderDialog


class PathChooser:
    """Asks the person for paths; every answer is empty when they change their mind.

    Args:
        engine: The engine; one on another computer is asked for its folders.
        parent: Widget above which dialogs open.
        makeDialog: Makes the dialog for another computer's folders.
    """

    def __init__(self, engine: Any, parent: Any, makeDialog: Callable[[Any, str], Any] = FolderDialog) -> None:
        self._engine, self._parent, self._makeDialog = engine, parent, makeDialog

    def isLocal(self) -> bool:
        """Return whether the engine runs on this computer."""
        host = self._engine.information.get("host") or ""
        return not host or host == platform.node()

    def folder(self, title: str) -> str:
        """Return an existing folder."""
        if self.isLocal():
            return str(qt.QFileDialog.getExistingDirectory(self._parent, title) or "")
        return self._makeDialog(self._engine, title).choose()

    def files(self, title: str) -> List[str]:
        """Return existing files; of another computer, whose files are not listed, one path that was typed."""
        if self.isLocal():
            found = qt.QFileDialog.getOpenFileNames(self._parent, title)
            return list(found[0] if isinstance(found, tuple) else found)  # PythonQt gives the paths alone
        path = self._makeDialog(self._engine, title).choose()
        return [path] if path else []

    def newPath(self, title: str, name: str) -> str:
        """Return the path of a file or folder that is to be made; ``name`` is what it may be called."""
        if self.isLocal():
            found = qt.QFileDialog.getSaveFileName(self._parent, title, name)
            return str((found[0] if isinstance(found, tuple) else found) or "")
        return self._makeDialog(self._engine, title).choose(name)


def joinPath(folder: str, *names: str) -> str:
    """Return a path below a folder of any system."""
    separator = "\\" if "\\" in folder and "/" not in folder else "/"
    return separator.join([folder.rstrip(separator), *names])


def lastName(path: str) -> str:
    """Return the last part of a path of any system."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
