"""Whether a package folder is complete and works. Standard library only.

`missingFiles` reads lists and sizes; `tryPackages` loads everything in a process of its own.
"""

from __future__ import annotations

import csv
import json
import re
import threading
from pathlib import Path
from typing import Dict, Iterable, List, Mapping

from VQSegUI.EngineChild import collectLines
from VQSegUI.EngineLayout import extensionRoot


class PackagesBroken(Exception):
    """The packages do not work; the text says which and why, without advice."""


def distributionNames(packages: Path) -> List[str]:
    """Return the names of the ``*.dist-info`` folders."""
    return sorted(path.name for path in Path(packages).glob("*.dist-info"))


def missingDistributions(packages: Path, distributions: Iterable[str]) -> List[str]:
    """Return which distributions lack their list of files; quick enough for the GUI."""
    return [name for name in distributions if not (Path(packages) / name / "RECORD").is_file()]


def missingFiles(packages: Path) -> List[str]:
    """Return the files that the packages list but that are missing or of another size."""
    wrong: List[str] = []
    for name in distributionNames(packages):
        with (packages / name / "RECORD").open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                # Programs and manual pages lie elsewhere with `pip --target`, and byte code has no size here.
                if len(row) == 3 and row[2] and not row[0].startswith(("..", "/")) and not _hasSize(packages, row):
                    wrong.append(row[0])
    return wrong


def missingRequirements(packages: Path, requirementFiles: Iterable[Path]) -> List[str]:
    """Return the pins that are not installed."""
    installed = {_canonical(name[: -len(".dist-info")]) for name in distributionNames(packages)}
    lines = [line for file in requirementFiles for line in file.read_text(encoding="utf-8").splitlines()]
    pins = [match.group(1) for match in (re.match(r"([\w.-]+==[^\s\\;]+)", line) for line in lines) if match]
    return [pin for pin in pins if _canonical(pin.replace("==", "-", 1)) not in installed]


def tryPackages(
    python: str, packages: Path, imports: List[str], environment: Mapping[str, str], stop: threading.Event
) -> Dict[str, str]:
    """Load modules in a process that sees nothing but the package folder; return what torch says of itself.

    Raises:
        PackagesBroken: One cannot be loaded.
        Cancelled: ``stop`` was set.
    """
    command = [python, "-s", "-S", "-u", str(Path(__file__).with_name("EngineWatch.py")), str(startScript())]
    command += ["--packages", str(packages), "--root", str(extensionRoot()), "--check", *imports]
    _status, lines = collectLines(command, environment, stop)
    for line in reversed(lines):
        if line.startswith("{"):
            answer = json.loads(line)
            if answer["problem"]:
                raise PackagesBroken(answer["problem"])
            return answer
    raise PackagesBroken(lines[-1] if lines else "the check ended without an answer")


def tryWorker(python: str, packages: Path, environment: Mapping[str, str]) -> None:
    """Start a worker as the panel will, and let it introduce itself.

    Raises:
        PackagesBroken: It does not.
    """
    from VQSegLib.wire import PROTOCOL, WireError
    from VQSegLib.wire_client import BlockingClient

    try:
        with BlockingClient(startCommand(python, packages, "worker"), env=environment) as client:
            client.request("initialize", {"client": "set-up", "protocol": PROTOCOL})
    except WireError as error:
        raise PackagesBroken(str(error)) from error


def startCommand(python: str, packages: Path, *arguments: str) -> List[str]:
    """Return the command line that runs the engine with a package folder."""
    # -s and -S: neither the user's nor Slicer's packages; EngineStart sees to the rest.
    start = [python, "-s", "-S", "-u", str(startScript()), "--packages", str(packages), "--root", str(extensionRoot())]
    return [*start, "--", *arguments]


def startScript() -> Path:
    """Return the program that starts the engine."""
    return Path(__file__).with_name("EngineStart.py")


def _hasSize(packages: Path, row: List[str]) -> bool:
    try:
        return (packages / row[0]).stat().st_size == int(row[2])
    except (OSError, ValueError):
        return False


def _canonical(nameAndVersion: str) -> str:
    return re.sub(r"[-_.]+", "-", nameAndVersion).lower()
