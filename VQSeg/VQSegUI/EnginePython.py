"""Which Python runs the engine: Slicer's own, or another of this computer where that is too old. Standard library only.

Nothing is started to find out: a program's name, or Windows' registry, says its version; the installation checks it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from VQSegUI.EngineLayout import runningPython

USUAL_FOLDERS = (
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/Library/Frameworks/Python.framework/Versions/{version}/bin",
    "~/.local/bin",
)
"""Where Python is installed to; programs started from the desktop of macOS do not have these on their path."""


@dataclass(frozen=True)
class EnginePython:
    """A Python.

    Attributes:
        version: Such as "3.12".
        program: Its path; empty: Slicer's own.
    """

    version: str
    program: str = ""


def findEnginePython(allowed: Sequence[str]) -> EnginePython:
    """Return Slicer's own Python where its version is allowed or no other is found, else the newest that is found."""
    own = EnginePython(runningPython())
    if own.version in allowed:
        return own
    newestFirst = sorted(allowed, key=lambda version: [int(part) for part in version.split(".")], reverse=True)
    found = (EnginePython(version, findPython(version)) for version in newestFirst)
    return next((each for each in found if each.program), own)


def findPython(version: str) -> str:
    """Return the path of a Python of this computer, empty when there is none."""
    if os.name == "nt":
        return _findRegistered(version)
    usual = [str(Path(folder.format(version=version)).expanduser()) for folder in USUAL_FOLDERS]
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *usual]
    # pyenv's shims bear the names of all versions and run only the one that is switched on.
    searched = [folder for folder in folders if folder and Path(folder).name != "shims"]
    return shutil.which(f"python{version}", path=os.pathsep.join(searched)) or ""


def _findRegistered(version: str) -> str:
    """Look where installers tell Windows about a Python (PEP 514)."""
    import winreg

    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        try:
            folder = winreg.QueryValue(root, f"Software\\Python\\PythonCore\\{version}\\InstallPath")
        except OSError:
            continue
        program = Path(folder) / "python.exe"
        # The Store's Python writes application data into a place of its own, which Slicer does not see.
        if program.is_file() and "WindowsApps" not in program.parts:
            return str(program)
    return ""
