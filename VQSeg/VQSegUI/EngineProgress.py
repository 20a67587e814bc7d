"""How far an installation is: pip's lines and the disk turned into one number. Standard library only."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Callable, List

PIP_SHARE = 0.95
"""The check of what was installed takes the rest."""
DOWNLOAD_SHARE = 0.7
MEASURE_SECONDS = 1.0
_UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


class InstallProgress:
    """Watches the pip runs of one installation.

    Args:
        downloadBytes: Expected size of the download; 0 when nothing is downloaded.
        diskBytes: Expected size of the unpacked packages.
        folders: Where pip unpacks to.
        report: Called with the fraction done, which never falls, and the stage.
    """

    def __init__(
        self, downloadBytes: int, diskBytes: int, folders: List[Path], report: Callable[[float, str], None]
    ) -> None:
        self._downloadBytes, self._diskBytes, self._folders, self._report = downloadBytes, diskBytes, folders, report
        self._downloaded = self._current = self._announced = 0.0
        self._onDisk = 0
        self._isUnpacking = False
        self._stage = "Preparing"
        self._measuredAt = 0.0

    def readLine(self, line: str) -> bool:
        """Take one line of pip; return whether it is worth a place in the log."""
        numbers = re.match(r"Progress (\d+) of (\d+)", line)
        if numbers:
            self._current = float(numbers.group(1))
            self.tick()
            return False
        package = re.match(r"\s*(Downloading|Using cached|Processing) (?:\S*[/\\])?([A-Za-z0-9_.]+?)-\d", line)
        if package:
            self._startPackage(package.group(1), package.group(2), line)
        if line.startswith("Installing collected packages"):
            self._downloaded += max(self._current, self._announced)
            self._current = self._announced = 0.0
            self._isUnpacking = True
            self._stage = "Unpacking"
        self.tick()
        return bool(line.strip())

    def tick(self) -> None:
        """Report; called at least every second."""
        if self._isUnpacking and time.monotonic() - self._measuredAt >= MEASURE_SECONDS:
            self._onDisk = max(self._onDisk, sum(sizeOfFolder(folder) for folder in self._folders))
            self._measuredAt = time.monotonic()
        download = min(1.0, (self._downloaded + self._current) / max(1, self._downloadBytes))
        unpacked = min(1.0, self._onDisk / max(1, self._diskBytes))
        share = DOWNLOAD_SHARE if self._downloadBytes else 0.0
        self._report(PIP_SHARE * (share * download + (1.0 - share) * unpacked), self._stage)

    def _startPackage(self, verb: str, name: str, line: str) -> None:
        # Older pip announces sizes but not how far it is.
        self._downloaded += max(self._current, self._announced)
        self._current = self._announced = 0.0
        self._isUnpacking = False
        self._stage = f"Downloading {name}" if verb == "Downloading" else f"Reading {name}"
        size = re.search(r"\(([\d.]+) (kB|MB|GB)\)", line)
        if verb != "Processing" and size:
            self._announced = float(size.group(1)) * _UNITS[size.group(2)]


def sizeOfFolder(folder: Path) -> int:
    """Return the bytes below a folder without those of wheels; files that vanish meanwhile count nothing."""
    total = 0
    for where, _folders, names in os.walk(folder):
        for name in names:
            if not name.endswith(".whl"):
                try:
                    total += (Path(where) / name).lstat().st_size
                except OSError:
                    continue
    return total
