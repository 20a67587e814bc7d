"""Whose turn it is on this machine's device: a clinician's scan goes before a training run.

A lock taken for every step would starve the scan, because the run takes it again at once. So a scan first leaves a mark
that the run looks for before every step; the run then lets go of its lock until no mark is left. Marks and lock lie in
a folder of this user on this machine, whatever project or worker they belong to; a mark whose process is gone counts
for nothing.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from VQSegLib.leftovers import find_leftovers, machine_key, temporary_name

_logger = logging.getLogger(__name__)
_LOCK_NAME = "run.lock"
_POLL_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 60.0
"""A run that does not react, for example because it was suspended, cannot keep a clinician waiting."""


def machine_folder() -> Path:
    """Return the folder of this user and machine; home folders are often shared between machines."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "VQSeg" / machine_key()


@contextmanager
def clinicians_turn(
    on_wait: Callable[[], None] = lambda: None,
    stop_if_cancelled: Callable[[], None] = lambda: None,
    *,
    shares_step: bool = False,
) -> Iterator[None]:
    """Have the device to oneself as far as training runs of this user are concerned.

    Args:
        on_wait: Called when a run has to finish its step first.
        stop_if_cancelled: Called while waiting; what it raises ends the waiting.
        shares_step: Begin beside the step a run is taking. On a processor that step has low priority, and on a busy
            machine waiting for it would be longer than working beside it; on a GPU it holds the memory.
    """
    folder = machine_folder() / "turns"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / temporary_name()
        mark.touch()
    except OSError as error:
        _logger.warning("Training runs could not be asked to wait (%s); segmenting may be slower.", error.strerror)
        yield
        return
    try:
        if not shares_step:
            _wait_for_run(FileLock(folder / _LOCK_NAME), on_wait, stop_if_cancelled)
        yield
    finally:
        mark.unlink(missing_ok=True)


def _wait_for_run(lock: FileLock, on_wait: Callable[[], None], stop_if_cancelled: Callable[[], None]) -> None:
    """Wait until the run has let go: it does not take the lock again while a mark is there."""
    deadline, has_told = time.monotonic() + _LONGEST_WAIT_SECONDS, False
    while time.monotonic() < deadline:
        if _try_lock(lock):
            lock.release()
            return
        if not has_told:
            on_wait()
            has_told = True
        stop_if_cancelled()
        time.sleep(_POLL_SECONDS)
    _logger.warning("A training run did not let go within %.0f s; segmenting beside it.", _LONGEST_WAIT_SECONDS)


def step_aside(is_stopped: Callable[[], bool]) -> None:
    """Wait while a scan has the device, for work that is neither a scan nor a run."""
    folder = machine_folder() / "turns"
    while folder.is_dir() and _is_wanted(folder) and not is_stopped():
        time.sleep(_POLL_SECONDS)


class RunTurns:
    """A training run's side: it holds the device between its steps and lets go when a scan wants it."""

    def __init__(self, on_wait: Callable[[], None], on_go: Callable[[], None]) -> None:
        """Prepare; nothing is held yet.

        Args:
            on_wait: Called when the run lets go or has to wait for another one: memory can be given back.
            on_go: Called when the run goes on after that.
        """
        self._folder = machine_folder() / "turns"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._folder / _LOCK_NAME)
        self._on_wait, self._on_go = on_wait, on_go

    def give_way(self, is_stopped: Callable[[], bool]) -> None:
        """Return when the device is free for the next step; at once if nobody wants it or the run shall stop."""
        if self._lock.is_locked and not _is_wanted(self._folder):
            return
        has_told = False
        while not is_stopped() and not self._take():
            if not has_told:
                self._on_wait()
                has_told = True
            time.sleep(_POLL_SECONDS)
        if has_told:
            self._on_go()

    def let_go(self) -> None:
        """Give the device back for good."""
        self._lock.release(force=True)

    def _take(self) -> bool:
        """Hold the lock if nobody wants the device; looked at again once it is held, because a scan marks first."""
        if not self._lock.is_locked and (_is_wanted(self._folder) or not _try_lock(self._lock)):
            return False
        if not _is_wanted(self._folder):
            return True
        self._lock.release(force=True)
        return False


def _is_wanted(folder: Path) -> bool:
    """Return whether a living process left a mark; those of dead ones are removed."""
    marks = {path.name for path in folder.iterdir() if path.name.startswith(".vqseg-")}
    if not marks:
        return False
    for stale in list(find_leftovers(folder)):
        stale.unlink(missing_ok=True)
        marks.discard(stale.name)
    return bool(marks)


def _try_lock(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError as error:
        # Some shared home folders have no locks: then marks alone must do.
        _logger.warning("The device cannot be locked (%s).", error.strerror)
    return True
