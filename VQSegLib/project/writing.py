"""One writer at a time, and what the operating system refuses told in one sentence."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from VQSegLib.errors import ProjectError, VolumeError

LOCK_NAME = ".lock"
_LOCK_SECONDS = 60.0
_POLL_SECONDS = 0.01
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
_logger = logging.getLogger(__name__)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other programs from writing into ``folder`` while the body runs.

    What is written here does not rest on the lock, which some shares ignore: files appear by a rename and label
    revisions are never overwritten. The lock keeps two writers from adding the same scan or counting the same patient.

    Raises:
        ProjectError: Another program holds the lock for too long, or the folder cannot be written.
    """
    lock = FileLock(folder / LOCK_NAME, poll_interval=_POLL_SECONDS)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout as exc:
        msg = f"Another program has been writing to '{folder}' for {_LOCK_SECONDS:.0f} s; try again later."
        raise ProjectError(msg) from exc
    except OSError as exc:
        if exc.errno not in _NO_LOCKS:
            raise _refused(folder, exc) from exc
        _logger.warning("The file system of the project has no locks; let only one program write to it at a time.")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def told_failures(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one sentence.

    Raises:
        ProjectError: Something under ``folder`` cannot be written.
    """
    try:
        yield
    except OSError as exc:
        raise _refused(folder, exc) from exc
    except VolumeError as exc:
        if isinstance(exc.__cause__, (OSError, RuntimeError)):
            raise _refused(folder, exc.__cause__) from exc
        raise


def _refused(folder: Path, error: Exception) -> ProjectError:
    reason = (isinstance(error, OSError) and error.strerror) or "the file is not whole on disk"
    msg = f"Nothing was changed: '{folder}' cannot be written ({reason}); check free space and permissions."
    return ProjectError(msg)
