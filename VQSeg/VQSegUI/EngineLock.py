"""A lock on the private folder that ends with the process holding it, however that ends. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional


class EngineLock:
    """Lock file held open; two Slicer windows must not change the engine at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._descriptor: Optional[int] = None

    def acquire(self) -> bool:
        """Take the lock and return True, or return False if another process holds it.

        Raises:
            OSError: The file cannot be made.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lockDescriptor(descriptor):
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; the file stays, because deleting it would race with the next holder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def isLocked(path: Path) -> bool:
    """Return whether another process holds the lock; asking creates nothing."""
    if not Path(path).exists():
        return False
    lock = EngineLock(path)
    try:
        isFree = lock.acquire()
    except OSError:
        return False
    lock.release()
    return not isFree


def _lockDescriptor(descriptor: int) -> bool:
    """Lock an open file without waiting; return whether that was possible."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
