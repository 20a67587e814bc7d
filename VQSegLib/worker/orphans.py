"""End the worker when the program that started it is gone.

Usually stdin closes then. This is the second guard, for the case that another process holds the pipe open: a child that
inherited it, which on Windows can happen to any two processes started at the same moment.
"""

from __future__ import annotations

import os
import threading
import time

import psutil

EXIT_ORPHANED = 3
_INTERVAL_SECONDS = 1.0


def end_with_parent() -> None:
    """Watch the parent from a thread; when it is gone, end this process at once."""
    first = os.getppid()
    try:
        parent = psutil.Process(first)
    except psutil.Error:
        return  # in a container the parent may be outside of what can be seen: stdin alone counts
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: psutil.Process) -> None:
    # On POSIX the parent's number changes; on Windows it stays, so the process itself is asked.
    while os.getppid() == parent.pid and _is_alive(parent):
        time.sleep(_INTERVAL_SECONDS)
    os._exit(EXIT_ORPHANED)


def _is_alive(parent: psutil.Process) -> bool:
    try:
        return bool(parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
