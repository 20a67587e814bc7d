"""Temporary folders of a project: their names, and removing those whose writer has died."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import time
import uuid
from pathlib import Path

import psutil

_PREFIX = ".building"
_ABANDONED_AFTER_SECONDS = 24 * 3600.0


def temporary_name() -> str:
    """Return a new folder name that says which machine and process is building it."""
    return f"{_PREFIX}-{_machine_key()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def remove_leftovers(folder: Path) -> list[str]:
    """Remove temporary folders whose writer is gone; those of living writers stay.

    A writer on another machine cannot be asked, so its folder stays until it has been untouched for a day.

    Returns:
        One sentence per removed folder.
    """
    removed = []
    for leftover in sorted(folder.glob(f"{_PREFIX}-*")):
        if _is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
            removed.append(
                f"Removed the unfinished case folder '{leftover.name}' that an interrupted program left behind."
            )
    return removed


def _is_abandoned(leftover: Path) -> bool:
    """Return whether nobody is writing the folder any more."""
    try:
        age_seconds = time.time() - leftover.stat().st_mtime
    except FileNotFoundError:
        return False
    machine, _, rest = leftover.name.removeprefix(f"{_PREFIX}-").partition("-")
    pid = rest.partition("-")[0]
    if machine == _machine_key() and pid.isdecimal() and not psutil.pid_exists(int(pid)):
        return True
    return age_seconds > _ABANDONED_AFTER_SECONDS


def _machine_key() -> str:
    """Return a short key of this machine that does not tell its name."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
