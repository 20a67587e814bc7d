"""The life of a run's process: train, compare with the parent, put the model on the shelf, say how it ended."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from VQSegLib.errors import Cancelled, VQSegError
from VQSegLib.failure_log import write_failure_log
from VQSegLib.kept_memory import keep_freed_memory
from VQSegLib.process_log import log_to_stderr
from VQSegLib.project.folder import Project
from VQSegLib.project.review import utc_now
from VQSegLib.runs.documents import RunResult, RunState
from VQSegLib.runs.folder import STOP, RunFolder, stopped_result
from VQSegLib.runs.heartbeat import Heartbeat
from VQSegLib.runs.process import lower_priority
from VQSegLib.runs.work import do_run

_logger = logging.getLogger(__name__)
_LOCK_FILE = ".lock"
_LOCK_SECONDS = 60.0


def run(project_path: str, run_id: str) -> int:
    """Do a prepared run; what comes of it stands in its folder.

    Returns:
        Exit status: 0 finished, paused or stopped, 1 failed.
    """
    log_to_stderr()
    lower_priority()
    keep_freed_memory()
    folder = RunFolder(Path(project_path) / "runs" / run_id)
    lock = FileLock(folder.path / _LOCK_FILE)
    try:
        # A process that was asked to pause a moment ago may still be saving.
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        _logger.info("Another process is at this run already.")
        return 1
    try:
        with Heartbeat(folder) as heartbeat:
            _end_politely(heartbeat)
            return _do(Path(project_path), folder, heartbeat)
    finally:
        lock.release()


def _do(project_path: Path, folder: RunFolder, heartbeat: Heartbeat) -> int:
    try:
        result = do_run(Project.open(project_path), folder, heartbeat)
    except Cancelled:
        if folder.asked_to_stop() != STOP:
            heartbeat.is_paused = True
            _logger.info("Paused at step %d; the state is saved.", heartbeat.step)
            return 0
        result = stopped_result()
    except VQSegError as mistake:
        result = _failed(str(mistake))
    except OSError as refusal:
        reason = refusal.strerror or type(refusal).__name__
        result = _failed(f"A file could not be read or written ({reason}); check free space, then resume the run.")
    except MemoryError:
        result = _failed("Memory is not enough for this run; close other programs or choose smaller patches.")
    except Exception as fault:  # The last resort: whatever else happens is a fault of ours, and the run must say so.
        log = write_failure_log(fault, "runs", [str(project_path)])
        result = _failed(f"VQSeg failed through a fault of its own ({type(fault).__name__}); please report '{log}'.")
    _logger.info("%s", result.sentence)
    folder.write(result)
    if result.state != RunState.FAILED:
        folder.clear_up()
    return 1 if result.state == RunState.FAILED else 0


def _failed(sentence: str) -> RunResult:
    return RunResult(state=RunState.FAILED, ended=utc_now(), sentence=sentence)


def _end_politely(heartbeat: Heartbeat) -> None:
    """Save the state when the machine shuts down or a scheduler ends the job."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        heartbeat.is_ending = True

    signal.signal(signal.SIGTERM, stop)
