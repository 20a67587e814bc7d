"""The process of a run: started apart from whoever asks for it, and polite to whoever works on the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from VQSegLib.errors import ProjectError

_NICE = 10
_SCHEDULERS = {"SLURM_JOB_ID": "Slurm", "PBS_JOBID": "PBS", "LSB_JOBID": "LSF"}


def start_detached(arguments: list[str], log: Path) -> psutil.Process:
    """Start ``python`` with arguments so that it outlives this process, its terminal and its pipes.

    Args:
        arguments: After ``python``; VQSegLib can be imported as it can here.
        log: What the process prints is appended here.

    Raises:
        ProjectError: It cannot be started.
    """
    flags = [flag for flag, is_set in (("-s", sys.flags.no_user_site), ("-S", sys.flags.no_site)) if is_set]
    root = str(Path(__file__).resolve().parents[2])
    # Where this program decided what comes first, as in Slicer's private folder, the order is kept.
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = paths if root in paths else [root, *paths]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
    try:
        with log.open("ab") as output:
            process = _popen([sys.executable, *flags, *arguments], output.fileno(), environment)
    except OSError as exc:
        msg = f"The run could not be started ({exc.strerror}); check free space and permissions of '{log.parent}'."
        raise ProjectError(msg) from exc
    # Whoever started a process must also take note of its end, or it stays in the system's list until then.
    threading.Thread(target=process.wait, name="run", daemon=True).start()
    return psutil.Process(process.pid)


def _popen(command: list[str], output: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    if sys.platform != "win32":
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    apart = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS

    def start(flags: int) -> subprocess.Popen[bytes]:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(
            command, stdin=nothing, stdout=output, stderr=output, env=environment, creationflags=flags
        )

    try:
        # A program that puts its children into a job ends them with itself, unless they leave it.
        return start(apart | subprocess.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:
        return start(apart)


def lower_priority() -> None:
    """Let every other program go first."""
    process = psutil.Process()
    if sys.platform == "win32":
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        process.nice(max(process.nice(), _NICE))


def describe_scheduler() -> str | None:
    """Return a sentence if this machine's job scheduler would end a run with the present job; None without one."""
    for variable, name in _SCHEDULERS.items():
        if os.environ.get(variable):
            return (
                f"The engine runs inside a job of {name}, so the run may end with that job; it keeps its state and can "
                "be resumed."
            )
    return None
