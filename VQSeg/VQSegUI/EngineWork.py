"""The work of installing, checking and removing: what EngineSetup.py does in its own process. Standard library only."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Dict, List, Optional

from VQSegUI import EngineCheck, EngineMessages
from VQSegUI.EngineCatalog import EngineBuild, EngineCatalog, formatBytes
from VQSegUI.EngineChild import runChild
from VQSegUI.EngineLayout import EngineLayout, EngineRecord, RecordUnreadable
from VQSegUI.EnginePip import bundledPip, explainPipFailure, pipCommand, pipEnvironment, pipSteps
from VQSegUI.EngineProgress import PIP_SHARE, InstallProgress, sizeOfFolder
from VQSegUI.Problem import Problem

IS_WINDOWS = os.name == "nt"
WINDOWS_PATH_LIMIT = 259
PIP_FOLDER_CHARACTERS = 34  # \t\pip-target-12345678\lib\python\ is where pip unpacks first


class EngineWork:
    """One installation, check or removal.

    Args:
        layout: The private folder.
        catalog: What can be installed.
        messages: Where progress and log go.
        stop: Set from another thread to call the work off.
        torchIndex: Package index that stands in for PyTorch's own; None for that.
    """

    def __init__(
        self,
        layout: EngineLayout,
        catalog: EngineCatalog,
        messages: EngineMessages.Sender,
        stop: threading.Event,
        torchIndex: Optional[str] = None,
    ) -> None:
        self._layout, self._catalog, self._messages, self._stop = layout, catalog, messages, stop
        self._torchIndex = torchIndex

    def install(self, buildName: str, wheels: Optional[Path]) -> None:
        """Put a build into a new package folder, check it there, then make it the one in use.

        Raises:
            Problem: It was not possible; nothing but pip's downloads is left behind.
            Cancelled: Called off; nothing is left behind.
        """
        build = self._catalog.find(buildName)
        self._removeLeftovers()
        self._checkRoom(build, wheels)
        folder = self._layout.makePackageFolder()
        try:
            folder.mkdir(parents=True)
            self._layout.temporaryFolder.mkdir(exist_ok=True)
            self._runPip(build, wheels, ["install", "--target", str(folder)])
            record = self._tryOut(build, folder)
            self._layout.writeRecord(record)
        except BaseException:
            self._delete([folder, self._layout.temporaryFolder])
            raise
        self._removeLeftovers()
        self._delete([self._layout.downloadFolder])

    def check(self) -> None:
        """Compare the installed files with their lists and load every package.

        Raises:
            Problem: Something is missing or does not work.
            Cancelled: Called off.
        """
        record = self._layout.readRecord()
        if record is None:
            msg = "The engine is not installed; press Install."
            raise Problem(msg)
        self._tryOut(self._catalog.find(record.build), self._layout.root / record.folder)

    def remove(self) -> None:
        """Delete everything in the private folder that VQSeg put there.

        Raises:
            Problem: Some files could not be deleted.
        """
        self._messages.progress(0.0, "Removing")
        if self._layout.recordFile.exists():
            self._layout.recordFile.unlink()
        self._delete([*self._layout.leftovers(None), self._layout.downloadFolder])
        if self._layout.leftovers(None):
            msg = (
                f"Some files in {self._layout.root} are in use: close other Slicer windows that use the engine, then "
                "press Remove again."
            )
            raise Problem(msg)

    def saveWheels(self, buildName: str, folder: Path) -> None:
        """Download the wheels of a build into a folder, for computers without a network.

        Raises:
            Problem: It was not possible.
            Cancelled: Called off.
        """
        build = self._catalog.find(buildName)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._layout.temporaryFolder.mkdir(parents=True, exist_ok=True)
            self._runPip(build, None, ["download", "--dest", str(folder)])
        finally:
            self._delete([self._layout.temporaryFolder, self._layout.downloadFolder])

    def _runPip(self, build: EngineBuild, wheels: Optional[Path], subcommand: List[str]) -> None:
        environment = {**pipEnvironment(os.environ, self._layout, isOffline=wheels is not None), **bundledPip()}
        watched = [self._layout.temporaryFolder, *self._layout.leftovers(self._readRecord())]
        download = 0 if wheels else build.downloadBytes
        progress = InstallProgress(download, build.diskBytes, sorted(set(watched)), self._messages.progress)
        for step in pipSteps(build, wheels, self._torchIndex):
            output: List[str] = []

            def onLine(line: str, output: List[str] = output) -> None:
                if progress.readLine(line):
                    output.append(line)
                    self._messages.log(line)

            command = pipCommand(sys.executable, [*subcommand, *step], self._layout, _pipVersion())
            status = runChild(command, environment, self._stop, onLine, progress.tick)
            if status != 0:
                needed = formatBytes(_neededBytes(build, wheels))
                raise Problem(explainPipFailure("\n".join(output), self._layout, wheels, needed))

    def _tryOut(self, build: EngineBuild, folder: Path) -> EngineRecord:
        """Return the record of a package folder that passes every check."""
        self._messages.progress(PIP_SHARE, "Checking")
        missing = EngineCheck.missingRequirements(folder, build.requirementFiles) or EngineCheck.missingFiles(folder)
        if missing:
            msg = f"The engine is incomplete ({len(missing)} files or packages, such as {missing[0]}); press Repair."
            raise Problem(msg)
        # Byte code is wanted here: it makes the first start of the engine a fast one.
        environment: Dict[str, str] = {**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            answer = EngineCheck.tryPackages(sys.executable, folder, self._catalog.imports, environment, self._stop)
            if self._catalog.startsWorker:
                EngineCheck.tryWorker(sys.executable, folder, environment)
        except EngineCheck.PackagesBroken as error:
            msg = f"The engine does not work ({error}): press Repair, or name one installed elsewhere under Advanced."
            raise Problem(msg) from error
        if (build.name == "cuda") != bool(answer["cuda"]):
            msg = f"The packages hold torch {answer['torch']}, which is not the {build.name} build; press Repair."
            raise Problem(msg)
        if build.name == "cuda" and not answer["device"]:
            self._messages.log("No GPU is usable with this build; the engine will run on the CPU.")
        return EngineRecord(
            folder=folder.name,
            build=build.name,
            python=self._catalog.python,
            fingerprint=build.fingerprint,
            torchVersion=answer["torch"],
            device=answer["device"],
            bytesOnDisk=sizeOfFolder(folder),
            distributions=EngineCheck.distributionNames(folder),
        )

    def _checkRoom(self, build: EngineBuild, wheels: Optional[Path]) -> None:
        if wheels is not None and not any(wheels.glob("*.whl")):
            msg = f"The folder {wheels} holds no wheels (files ending in .whl): choose the folder that does."
            raise Problem(msg)
        self._layout.root.mkdir(parents=True, exist_ok=True)
        needed, free = _neededBytes(build, wheels), shutil.disk_usage(self._layout.root).free
        if free < needed:
            msg = (
                f"The disk of {self._layout.root} has {formatBytes(free)} left, the installation needs "
                f"{formatBytes(needed)}: free some, or choose a folder on another disk under Advanced."
            )
            raise Problem(msg)
        longest = len(str(self._layout.root)) + PIP_FOLDER_CHARACTERS + build.longestPath
        if IS_WINDOWS and longest > WINDOWS_PATH_LIMIT:
            msg = (
                f"The folder {self._layout.root} has too long a name for Windows (by {longest - WINDOWS_PATH_LIMIT} "
                "characters): choose a shorter one under Advanced, such as C:\\VQSeg."
            )
            raise Problem(msg)

    def _readRecord(self) -> Optional[EngineRecord]:
        try:
            return self._layout.readRecord()
        except RecordUnreadable:
            return None

    def _removeLeftovers(self) -> None:
        self._delete(self._layout.leftovers(self._readRecord()))

    def _delete(self, folders: List[Path]) -> None:
        """Delete folders as far as possible; a file in use (Windows) stays for the next time."""
        for folder in folders:
            shutil.rmtree(str(folder), ignore_errors=True)


def _neededBytes(build: EngineBuild, wheels: Optional[Path]) -> int:
    """Return the disk space an installation takes while it runs: pip keeps a download twice."""
    return build.diskBytes + (0 if wheels else 2 * build.downloadBytes)


def _pipVersion() -> str:
    try:
        return importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return "0"
