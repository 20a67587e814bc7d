"""Which builds of the engine can be installed on this computer, and what each costs.

Reads Resources/engine, which tools/lock_engine.py writes. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from VQSegUI.EngineLayout import extensionRoot
from VQSegUI.EnginePython import EnginePython, findEnginePython
from VQSegUI.Problem import Problem
from VQSegUI.Translation import _


class EngineUnavailable(Problem):
    """No build fits this computer; the text is one sentence that says why and what to do."""


@dataclass(frozen=True)
class EngineBuild:
    """One set of packages.

    Attributes:
        name: "cpu" or "cuda".
        requirementFiles: pip requirement files, every line with hashes.
        torchRequirement: torch by exact version if it does not come from the requirement files, else empty.
        torchIndex: Package index torch is then taken from.
        downloadBytes: Size of the download.
        diskBytes: Size when installed.
        longestPath: Characters of the longest path inside a package folder.
        isMeasured: Whether the sizes were measured, not estimated.
        minimumDriver: First number of the oldest NVIDIA driver that serves; 0 without CUDA.
        minimumCapability: Lowest compute capability of a GPU that serves; 0 without CUDA.
        fingerprint: Hash over everything that decides what is installed.
    """

    name: str
    requirementFiles: Tuple[Path, ...]
    torchRequirement: str
    torchIndex: str
    downloadBytes: int
    diskBytes: int
    longestPath: int
    isMeasured: bool
    minimumDriver: int
    minimumCapability: float
    fingerprint: str


class EngineCatalog:
    """What Resources/engine offers.

    Args:
        folder: Folder of catalog.json; None takes the extension's.
        platformTag: Such as "linux-x86_64"; None takes this computer's.
        python: Such as "3.12"; None takes the running one where it will do, else looks for another on this computer.

    Attributes:
        folder: Folder of catalog.json.
        python: Python version that is to run the engine.
        program: Path of the Python that is to run it; empty: Slicer's own.
    """

    def __init__(
        self, folder: Optional[Path] = None, platformTag: Optional[str] = None, python: Optional[str] = None
    ) -> None:
        self.folder = folder or extensionRoot() / "Resources" / "engine"
        self._platformTag = platformTag or thisPlatform()
        self._content = json.loads((self.folder / "catalog.json").read_text(encoding="utf-8"))
        chosen = EnginePython(python) if python else findEnginePython(self._content["pythons"])
        self.python, self.program = chosen.version, chosen.program

    @property
    def imports(self) -> List[str]:
        """Modules that must be importable from a package folder."""
        return list(self._content["imports"])

    @property
    def startsWorker(self) -> bool:
        """Whether a check starts a worker; only catalogs made for tests do without."""
        return bool(self._content.get("starts_worker", True))

    def builds(self) -> Dict[str, EngineBuild]:
        """Return the builds that can be installed here, by name.

        Raises:
            EngineUnavailable: There are none.
        """
        offered = self._content["platforms"].get(self._platformTag)
        if self.python not in self._content["pythons"]:
            raise EngineUnavailable(
                _(
                    "The engine needs Python {allowed}, this Slicer has {python}, and none was found on this computer: "
                    "install Python from python.org and start Slicer again, use Slicer 5.10 or newer, or name an "
                    "engine installed elsewhere under Advanced."
                ).format(allowed=_join(self._content["pythons"]), python=self.python)
            )
        if offered is None:
            raise EngineUnavailable(
                _(
                    "There is no engine to install for this kind of computer ({platform}), only for {known}: name an "
                    "engine on another computer under Advanced."
                ).format(platform=self._platformTag, known=_join(sorted(self._content["platforms"])))
            )
        return {name: self._makeBuild(name, entry) for name, entry in offered.items()}

    def find(self, name: str) -> EngineBuild:
        """Return one build.

        Raises:
            EngineUnavailable: It is not offered here.
        """
        builds = self.builds()
        if name not in builds:
            raise EngineUnavailable(
                _("There is no {name} build for this kind of computer; choose one of {known}.").format(
                    name=name, known=_join(sorted(builds))
                )
            )
        return builds[name]

    def _makeBuild(self, name: str, entry: dict) -> EngineBuild:
        files = tuple(self.folder / fileName for fileName in entry["requirements"])
        needs = entry.get("needs", {})
        digest = hashlib.sha256(json.dumps([name, entry.get("torch"), self.python]).encode())
        for file in files:
            # Line ends may have been converted by a checkout on Windows.
            digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
        return EngineBuild(
            name=name,
            requirementFiles=files,
            torchRequirement=entry.get("torch", ""),
            torchIndex=entry.get("torch_index", ""),
            downloadBytes=entry["download_bytes"],
            diskBytes=entry["disk_bytes"],
            longestPath=entry["longest_path"],
            isMeasured=entry["is_measured"],
            minimumDriver=needs.get("driver", 0),
            minimumCapability=needs.get("compute_capability", 0.0),
            fingerprint=digest.hexdigest()[:16],
        )


def thisPlatform() -> str:
    """Return the kind of this computer; on a Mac that emulates Intel for Slicer, Intel."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{'x86_64' if machine == 'amd64' else machine}"


def formatBytes(count: int) -> str:
    """Return a size for people: "340 MB" or "2.7 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _join(words: List[str]) -> str:
    return ", ".join(words)
